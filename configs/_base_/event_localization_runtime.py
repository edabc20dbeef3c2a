# What a run that finds events in segments has: checkpoints and curves follow the accuracy of segments.
_base_ = './default_runtime.py'

default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best='segment_accuracy/joint',
                    rule='greater'),
    learning_curve=dict(type='LearningCurveHook', metric='segment_accuracy', ylabel='segment accuracy (%)'))
