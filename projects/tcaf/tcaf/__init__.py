"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.tcaf.tcaf import models, training
from projects.tcaf.tcaf.dataset import GZSLDataset
from projects.tcaf.tcaf.gzsl_metric import GZSLMetric
from projects.tcaf.tcaf.inferencer import ZeroShotInferencer
from projects.tcaf.tcaf.sampler import GZSLSampler

__all__ = ['GZSLDataset', 'GZSLMetric', 'GZSLSampler', 'ZeroShotInferencer', 'models', 'training']
