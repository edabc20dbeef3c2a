from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.datasets.av_digits import AVDigits
from avmm.datasets.ave import AVEDataset
from avmm.datasets.collate import av_collate
from avmm.datasets.cremad import CREMAD
from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.datasets.kinetics_sounds import KineticsSounds
from avmm.datasets.samplers import AVSampler, ClassBalancedSampler, DefaultSampler, SampleIndex, WeightedSampler
from avmm.datasets.urbansound8k_av import UrbanSound8KAV
from avmm.datasets.vggsound import VGGSound

__all__ = [
    'AVClipDataset', 'AVDigits', 'AVEDataset', 'AVSampler', 'ArraySpec', 'CREMAD', 'ClassBalancedSampler',
    'DefaultSampler', 'FeatureStore', 'FeatureStoreWriter', 'KineticsSounds', 'SampleIndex', 'UrbanSound8KAV',
    'VGGSound', 'WeightedSampler', 'av_collate'
]
