# The schedule of TCAF: 50 epochs, then as many as the best one took on all of the training data.
# fused: one pass over the weights where Adam takes eight; the same update.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=7e-5, weight_decay=1e-5, fused=True))
train_cfg = dict(
    type='ZeroShotTrainLoop', stage='all', max_epochs=50, stage2_epochs='best', stage2_dataset=dict(split='train_val'))
val_cfg = dict(type='ZeroShotValLoop', loss='balanced')
test_cfg = dict(type='ZeroShotTestLoop')
