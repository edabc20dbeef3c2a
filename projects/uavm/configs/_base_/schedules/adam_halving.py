# The schedule of UAVM: Adam, no warm-up; the rate is halved after every epoch.
# zero_grad_set_to_none=False keeps the idle branch moving by its moments, as the published program does.
optim_wrapper = dict(
    type='OptimWrapper',
    zero_grad_set_to_none=False,
    optimizer=dict(type='Adam', lr=5e-5, betas=(0.95, 0.999), weight_decay=5e-7))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=list(range(1, 1000)), gamma=0.5)
train_cfg = dict(type='EpochTrainLoop', max_epochs=10, val_interval=1)
val_cfg = dict()
test_cfg = dict()
