# What a zero-shot run has: two stages and the test, their checkpoints, curves of the recalls.
_base_ = '../../../../configs/_base_/default_runtime.py'

custom_imports = dict(imports=['projects.tcaf.tcaf'], allow_failed_imports=False)
inferencer = dict(type='ZeroShotInferencer')
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),  # epochs begin anew in stage 2
    zero_shot=dict(type='ZeroShotHook'),
    checkpoint=dict(_delete_=True, type='StageCheckpointHook', iter_interval=100, max_keep_ckpts=2),
    learning_curve=dict(type='LearningCurveHook', metric='gzsl', ylabel='mean recall of classes (%)'))
# The loss of a validation is a mean already.
log_processor = dict(type='LogProcessor', mean_pattern=r'^(?!val_).*(loss|time|data_time|grad_norm).*')
env_cfg = dict(cudnn_benchmark=False)  # batches differ in length
randomness = dict(seed=42)
