# The schedule of TCAF in small: five epochs, then as many as the best one took. A hundred updates in place of fifteen
# thousand take a higher rate, and 630 clips in place of 3174 a stronger decay of the weights.
_base_ = './tcaf.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=1e-3))
train_cfg = dict(max_epochs=5)
val_cfg = dict(loss='full')
