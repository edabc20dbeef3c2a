"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.cmran.cmran.attention import AGSCA
from projects.cmran.cmran.avel_fusion import ConcatSegments, DualResidualFusion
from projects.cmran.cmran.avel_head import AVELHead, WeakAVELHead
from projects.cmran.cmran.avel_loop import OffsetEpochTrainLoop
from projects.cmran.cmran.avel_net import AudioGuidedAttention, AVELNet
from projects.cmran.cmran.contrastive_loss import ContrastiveLoss
from projects.cmran.cmran.keras_adam import KerasAdam
from projects.cmran.cmran.matching import CrossModalMatching
from projects.cmran.cmran.segment_pairs import SegmentPairs

__all__ = [
    'AGSCA', 'AVELHead', 'AVELNet', 'AudioGuidedAttention', 'ConcatSegments', 'ContrastiveLoss', 'CrossModalMatching',
    'DualResidualFusion', 'KerasAdam', 'OffsetEpochTrainLoop', 'SegmentPairs', 'WeakAVELHead'
]
