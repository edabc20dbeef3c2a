from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.datasets.av_digits import AVDigits
from avmm.datasets.collate import av_collate
from avmm.datasets.cremad import CREMAD
from avmm.datasets.kinetics_sounds import KineticsSounds
from avmm.datasets.samplers import AVSampler, ClassBalancedSampler, DefaultSampler, SampleIndex, WeightedSampler
from avmm.datasets.urbansound8k_av import UrbanSound8KAV
from avmm.datasets.vggsound import VGGSound

__all__ = [
    'AVClipDataset', 'AVDigits', 'AVSampler', 'CREMAD', 'ClassBalancedSampler', 'DefaultSampler', 'KineticsSounds',
    'SampleIndex', 'UrbanSound8KAV', 'VGGSound', 'WeightedSampler', 'av_collate'
]
