# What both extractors on AV-Digits have: a size that two CPU cores train in minutes, and the schedule for it.
small_size = dict(channels=(24, 48, 96, 192), depths=(2, 2, 4, 2))
small_hooks = [
    dict(type='SteppedWarmupHook', batch_size=500, length=1000, linear=True),  # twenty iterations
    dict(type='WeightAverageHook', start=8, end=10, columns=('accuracy/joint', )),
]
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[5, 7, 9], gamma=0.4)
train_cfg = dict(type='EpochTrainLoop', max_epochs=10, val_interval=1)
