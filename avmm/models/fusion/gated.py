"""Fusion in which one modality gates the features of the other."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class GatedFusion(Fusion):
    r"""Project both modalities, gate one by the other, classify.

    .. math:: o_m = f_m W_m^T + b_m, \qquad z = h(\sigma(o_g) \odot o_o)

    with the gating modality g, the other one o and a linear classifier h: the gated fusion of `efficient
    large-scale multi-modal classification <https://arxiv.org/abs/1802.02892>`_ in the layout of `OGM-GE
    <https://arxiv.org/abs/2203.15332>`_. The transformed features are the projections :math:`o_m`.

    What a modality says alone is the joint logits with the features of the other at zero, so that the gate, or the
    gated projection, comes from the bias alone.

    Args:
        in_channels: Widths of the features of two modalities.
        num_classes: Number of classes C.
        gate: Name of the gating modality.
        hidden: Width of the projections; that of the gated modality by default.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If there are not two modalities, or ``gate`` is none of them.
    """

    arity = 2

    def __init__(self, in_channels: dict[str, int], num_classes: int, gate: str = 'audio', hidden: int | None = None,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.gate = self.require_modality('gate', gate)
        self.gated = next(m for m in self.modalities if m != gate)
        hidden = hidden or in_channels[self.gated]
        self.fc = nn.ModuleDict({m: nn.Linear(width, hidden) for m, width in in_channels.items()})
        self.fc_out = nn.Linear(hidden, num_classes)

    @property
    def transformed_channels(self) -> dict[str, int]:
        """The width of the projections."""
        return dict.fromkeys(self.in_channels, self.fc_out.in_features)

    def transform(self, feats: Feats) -> Feats:
        """Projections ``{m: (B, hidden)}``."""
        return {m: self.fc[m](f) for m, f in feats.items()}

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of projections ``{m: (B, hidden)}``."""
        return self.fc_out(feats[self.gate].sigmoid() * feats[self.gated])
