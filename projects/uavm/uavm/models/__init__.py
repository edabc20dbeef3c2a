from projects.uavm.uavm.models.base import FeatureTransformer
from projects.uavm.uavm.models.joint_attention import CrossModalityTransformer
from projects.uavm.uavm.models.trunk import Block, TemporalTransformer
from projects.uavm.uavm.models.unified import UAVM, ModalityIndependentTransformer

__all__ = [
    'Block', 'CrossModalityTransformer', 'FeatureTransformer', 'ModalityIndependentTransformer', 'TemporalTransformer',
    'UAVM'
]
