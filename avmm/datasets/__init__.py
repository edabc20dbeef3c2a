from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.datasets.collate import av_collate
from avmm.datasets.samplers import AVSampler, ClassBalancedSampler, DefaultSampler, SampleIndex, WeightedSampler

__all__ = [
    'AVClipDataset', 'AVSampler', 'ClassBalancedSampler', 'DefaultSampler', 'SampleIndex', 'WeightedSampler',
    'av_collate'
]
