# Eight epochs of SGD under a cosine.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, T_max=8, eta_min_ratio=0.01, convert_to_iter_based=True)
train_cfg = dict(type='EpochTrainLoop', max_epochs=8, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=32)  # what the learning rate is meant for; used with --auto-scale-lr
