"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.uavm.uavm.audio_extractor import UAVMAudioExtractor
from projects.uavm.uavm.datasets import UAVMAudioDataset, UAVMFeatureDataset, UAVMWeightedSampler
from projects.uavm.uavm.evaluation import UAVMStatistics
from projects.uavm.uavm.extractors import UAVMAudioFeatures, UAVMVisualFeatures
from projects.uavm.uavm.hooks import (
    ModalityDrawHook,
    PredictionEnsembleHook,
    ResultTableHook,
    SteppedWarmupHook,
    WeightAverageHook,
)
from projects.uavm.uavm.inferencer import UAVMInferencer, UAVMRetrievalInferencer
from projects.uavm.uavm.models import UAVM, CrossModalityTransformer, ModalityIndependentTransformer
from projects.uavm.uavm.preprocessor import UAVMDataPreprocessor

__all__ = [
    'CrossModalityTransformer', 'ModalityDrawHook', 'ModalityIndependentTransformer', 'PredictionEnsembleHook',
    'ResultTableHook', 'SteppedWarmupHook', 'UAVM', 'UAVMAudioDataset', 'UAVMAudioExtractor', 'UAVMAudioFeatures',
    'UAVMDataPreprocessor', 'UAVMFeatureDataset', 'UAVMInferencer', 'UAVMRetrievalInferencer', 'UAVMStatistics',
    'UAVMVisualFeatures', 'UAVMWeightedSampler', 'WeightAverageHook'
]
