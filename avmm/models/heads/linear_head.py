"""The classifier of a single modality."""
from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from avmm.registry import MODELS


@MODELS.register_module()
class LinearHead(BaseModule):
    """A linear classifier, with dropout before it on request.

    Audio-only and visual-only baselines use it in place of a fusion.

    Args:
        in_channels: Width D of the features.
        num_classes: Number of classes C.
        dropout: Probability of dropping a feature in training.
        init_cfg: Initialisation of mmengine; torch's own by default.
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.0, init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        self.in_channels, self.num_classes = in_channels, num_classes
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, feat: Tensor) -> Tensor:
        """Logits ``(B, C)`` of features ``(B, D)``."""
        return self.fc(self.dropout(feat))
