from avmm.models.fusion.base import Fusion
from avmm.models.fusion.concat import ConcatFusion
from avmm.models.fusion.sum import SumFusion

__all__ = ['ConcatFusion', 'Fusion', 'SumFusion']
