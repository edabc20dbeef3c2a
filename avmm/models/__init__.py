from avmm.models.attention import ChannelGate, MapSource, MultiheadAttention, recorded_maps
from avmm.models.base import AVModel, Step
from avmm.models.classifiers import AVClassifier
from avmm.models.data_preprocessors import AVDataPreprocessor, BatchMixup, BatchNoise
from avmm.models.encoders import AVResNet18, ConvNeXtEncoder, Encoder, SmallConvNet, TorchvisionEncoder
from avmm.models.fusion import (
    AttentionFusion,
    ConcatFusion,
    FiLMFusion,
    Fusion,
    GatedFusion,
    LateFusion,
    MetamodalFusion,
    SumFusion,
)
from avmm.models.heads import (
    EventHead,
    EventPrediction,
    EventTargets,
    LinearHead,
    SupervisedEventHead,
    WeakEventHead,
)
from avmm.models.localizers import (
    AVInteraction,
    CrossModalDecoder,
    CrossModalLocalizer,
    EventLocalizer,
    TemporalEncoder,
)
from avmm.models.losses import BCELoss, CrossEntropyLoss, FocalLoss, LabelSmoothLoss, SoftMarginLoss

__all__ = [
    'AVClassifier', 'AVDataPreprocessor', 'AVInteraction', 'AVModel', 'AVResNet18', 'AttentionFusion', 'BCELoss',
    'BatchMixup', 'BatchNoise', 'ChannelGate', 'ConcatFusion', 'ConvNeXtEncoder', 'CrossEntropyLoss',
    'CrossModalDecoder', 'CrossModalLocalizer', 'Encoder', 'EventHead', 'EventLocalizer', 'EventPrediction',
    'EventTargets', 'FiLMFusion', 'FocalLoss', 'Fusion', 'GatedFusion', 'LabelSmoothLoss', 'LateFusion',
    'LinearHead', 'MapSource', 'MetamodalFusion', 'MultiheadAttention', 'SmallConvNet', 'SoftMarginLoss', 'Step',
    'SumFusion', 'SupervisedEventHead', 'TemporalEncoder', 'TorchvisionEncoder', 'WeakEventHead',
    'recorded_maps'
]
