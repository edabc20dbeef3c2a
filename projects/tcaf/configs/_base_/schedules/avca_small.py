# The schedule of AVCA in small: five epochs, then as many as the best one took. No loss of the validation.
_base_ = './avca.py'

train_cfg = dict(max_epochs=5, stage2_epochs='best')
val_cfg = dict(loss=None)
