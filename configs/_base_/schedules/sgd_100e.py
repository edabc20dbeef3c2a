# The schedule of OGM-GE (CVPR 2022): a hundred epochs of SGD, the rate a tenth after epoch 70.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(type='StepLR', by_epoch=True, step_size=70, gamma=0.1)
train_cfg = dict(type='EpochTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=64)
