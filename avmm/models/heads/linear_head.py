"""The classifier of a model with one modality."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class LinearHead(Fusion):
    """A linear classifier of one modality, with dropout before it on request.

    Audio-only and visual-only baselines use it in the place of a fusion; its unimodal logits are its logits.

    Args:
        in_channels: Width D of the features of the one modality, as in ``dict(audio=512)``.
        num_classes: Number of classes C.
        dropout: Probability of dropping a feature in training.
        init_cfg: Initialisation of mmengine.
    """

    arity = 1

    def __init__(self, in_channels: dict[str, int], num_classes: int, dropout: float = 0.0,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.dropout = nn.Dropout(dropout)
        self.fc_out = nn.Linear(in_channels[self.modalities[0]], num_classes)

    def joint_logits(self, feats: Feats) -> Tensor:
        """Logits ``(B, C)`` of ``{m: (B, D)}``."""
        return self.fc_out(self.dropout(feats[self.modalities[0]]))
