# The schedule of the AVE baselines with full supervision: Adam for 300 epochs.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
# A tenth every 15000 iterations. The program steps its schedule before the optimiser, hence one update earlier; with
# 52 iterations x 300 epochs = 15600 there is one such step.
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[14999], gamma=0.1)
# Validation after epochs 1, 6, ..., 296: the program counts from zero and validates where epoch % 5 == 0.
train_cfg = dict(type='OffsetEpochTrainLoop', max_epochs=300, val_begin=1, val_interval=5)
val_cfg = dict()
test_cfg = dict()
