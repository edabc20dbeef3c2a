# Everything of this project in two steps on made-up data, in seconds and without a file.
# Launch:   python tools/train.py projects/example_project/configs/example_project_smoke.py
# Override: --cfg-options train_cfg.max_iters=20
custom_imports = dict(imports=['avmm.testing', 'projects.example_project.example_project'])
default_scope = 'avmm'
runner_type = 'AVRunner'

model = dict(
    type='AVClassifier',
    num_classes=4,
    encoders=dict(audio=dict(type='SmallConvNet', in_channels=1), visual=dict(type='SmallConvNet', in_channels=3)),
    fusion=dict(type='ExampleProjectFusion'))

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(type='ToyAVDataset', length=16),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(type='ToyAVDataset', length=16),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='ExampleProjectGap')

train_cfg = dict(type='IterTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
custom_hooks = [dict(type='ExampleProjectBalancing')]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
