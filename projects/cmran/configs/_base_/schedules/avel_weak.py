# The schedule of the AVE baseline with weak supervision: 54 iterations x 250 epochs = 13500, before any decay.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[14999], gamma=0.1)
train_cfg = dict(type='OffsetEpochTrainLoop', max_epochs=250, val_begin=1, val_interval=5)
val_cfg = dict()
test_cfg = dict()
