# What every run has: the log, checkpoints, learning curves, TensorBoard.
default_scope = 'avmm'
runner_type = 'AVRunner'
select_on = 'val'  # 'test' validates on the test split, as most published rows did

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=20),
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='accuracy/joint', rule='greater'),
    learning_curve=dict(type='LearningCurveHook'))
custom_hooks = []
visualizer = dict(type='AVVisualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])

env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
