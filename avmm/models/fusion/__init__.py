from avmm.models.fusion.attention import AttentionFusion
from avmm.models.fusion.base import Fusion
from avmm.models.fusion.concat import ConcatFusion
from avmm.models.fusion.film import FiLMFusion
from avmm.models.fusion.gated import GatedFusion
from avmm.models.fusion.late import LateFusion
from avmm.models.fusion.metamodal import MetamodalFusion
from avmm.models.fusion.official import (
                                         classifier_from_official,
                                         classifier_to_official,
                                         fusion_from_official,
                                         fusion_to_official,
                                         lfm_from_official,
                                         lfm_to_official,
)
from avmm.models.fusion.sum import SumFusion

__all__ = [
    'AttentionFusion', 'ConcatFusion', 'FiLMFusion', 'Fusion', 'GatedFusion', 'LateFusion', 'MetamodalFusion',
    'SumFusion', 'classifier_from_official', 'classifier_to_official', 'fusion_from_official', 'fusion_to_official',
    'lfm_from_official', 'lfm_to_official'
]
