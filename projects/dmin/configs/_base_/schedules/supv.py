# The schedule of DIMN's script for full supervision: Adam, halved rates, clipped gradients.
# fused: one pass over the weights where Adam takes eight; the same update.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4, fused=True), clip_grad=dict(max_norm=0.1))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[10, 20, 30], gamma=0.5)
train_cfg = dict(type='EpochTrainLoop', max_epochs=200, val_interval=1)
val_cfg = dict()
test_cfg = dict()
