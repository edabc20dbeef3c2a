from avmm.datasets.samplers.base import AVSampler, SampleIndex, sample_rng
from avmm.datasets.samplers.class_balanced_sampler import ClassBalancedSampler
from avmm.datasets.samplers.default_sampler import DefaultSampler
from avmm.datasets.samplers.labels import cat_ids_of, inverse_frequency_weights
from avmm.datasets.samplers.weighted_sampler import WeightedSampler, read_weights

__all__ = [
    'AVSampler', 'ClassBalancedSampler', 'DefaultSampler', 'SampleIndex', 'WeightedSampler', 'cat_ids_of',
    'inverse_frequency_weights', 'read_weights', 'sample_rng'
]
