"""A fusion: classifiers of the modalities, weighted by what is learnt about each."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class ExampleProjectFusion(Fusion):
    r"""Weighted sum of one classifier a modality.

    .. math:: z = \sum_m w_m (f_m W_m^T + b_m), \qquad w = M \cdot \mathrm{softmax}(v)

    with a learnt number :math:`v_m` for each of the M modalities. At first all weights are 1, which is ``SumFusion``.

    Args:
        in_channels: Width ``D_m`` of the features of each modality.
        num_classes: Number of classes C.
        init_cfg: Initialisation of mmengine.

    Example:
        >>> fusion = ExampleProjectFusion(dict(audio=8, visual=16), num_classes=5)
        >>> fusion(dict(audio=torch.rand(2, 8), visual=torch.rand(2, 16))).shape
        torch.Size([2, 5])
    """

    def __init__(self, in_channels: dict[str, int], num_classes: int, init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.classifiers = nn.ModuleDict({m: nn.Linear(width, num_classes) for m, width in in_channels.items()})
        self.importance = nn.Parameter(torch.zeros(len(in_channels)))

    def weights(self) -> dict[str, Tensor]:
        """``{modality: ()}``, positive, 1 on average."""
        return dict(zip(self.modalities, len(self.modalities) * self.importance.softmax(0), strict=True))

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        weights = self.weights()
        return sum(weights[m] * self.classifiers[m](feats[m]) for m in self.modalities)

    def unimodal_logits(self, feats: Feats) -> Feats:
        """``{m: (B, C)}``, the term of each modality; they add up to the joint logits."""
        weights = self.weights()
        return {m: weights[m] * self.classifiers[m](feats[m]) for m in self.modalities if m in feats}
