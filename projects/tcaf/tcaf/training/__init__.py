"""Training in two stages, and the test."""
from projects.tcaf.tcaf.training.checkpoint_hook import StageCheckpointHook
from projects.tcaf.tcaf.training.generated_features_hook import GeneratedFeaturesHook
from projects.tcaf.tcaf.training.records import StageRecord
from projects.tcaf.tcaf.training.restart import restart
from projects.tcaf.tcaf.training.train_loop import ZeroShotTrainLoop
from projects.tcaf.tcaf.training.val_loop import ZeroShotValLoop
from projects.tcaf.tcaf.training.zero_shot_hook import ZeroShotHook, use_classes
from projects.tcaf.tcaf.training.zero_shot_test_loop import ZeroShotTestLoop

__all__ = [
    'GeneratedFeaturesHook', 'StageCheckpointHook', 'StageRecord', 'ZeroShotHook', 'ZeroShotTestLoop',
    'ZeroShotTrainLoop', 'ZeroShotValLoop', 'restart', 'use_classes'
]
