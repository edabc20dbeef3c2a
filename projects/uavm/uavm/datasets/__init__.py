from projects.uavm.uavm.datasets.audio_dataset import UAVMAudioDataset
from projects.uavm.uavm.datasets.clip_files import (
    class_balance_weights,
    read_clips,
    read_labels,
    weight_path,
    write_weights,
)
from projects.uavm.uavm.datasets.feature_dataset import UAVMFeatureDataset
from projects.uavm.uavm.datasets.sampler import UAVMWeightedSampler

__all__ = ['UAVMAudioDataset', 'UAVMFeatureDataset', 'UAVMWeightedSampler', 'class_balance_weights', 'read_clips',
           'read_labels', 'weight_path', 'write_weights']
