from avmm.models.losses.bce import BCELoss
from avmm.models.losses.cross_entropy import CrossEntropyLoss
from avmm.models.losses.focal import FocalLoss
from avmm.models.losses.label_smooth import LabelSmoothLoss
from avmm.models.losses.soft_margin import SoftMarginLoss

__all__ = ['BCELoss', 'CrossEntropyLoss', 'FocalLoss', 'LabelSmoothLoss', 'SoftMarginLoss']
