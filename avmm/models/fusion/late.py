"""Fusion of the decisions: each modality is classified alone."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class LateFusion(Fusion):
    r"""A classifier of its own for each modality, their logits averaged: :math:`z = \frac{1}{M} \sum_m z_m`.

    A modality alone says :math:`z_m = f_m W_m^T + b_m`. With two modalities it is the model of LFM
    (NeurIPS 2024); without the average it is the ``identical`` fusion of released code, which returns the logits of
    each modality only. An absent modality is left out of the average.

    Args:
        in_channels: Width of the features of each modality.
        num_classes: Number of classes C.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, in_channels: dict[str, int], num_classes: int, init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.fc = nn.ModuleDict({m: nn.Linear(width, num_classes) for m, width in in_channels.items()})

    def complete(self, feats: Feats) -> Feats:
        """The features in the order of the fusion; absent modalities stay absent.

        Raises:
            ValueError: If ``feats`` holds a modality that the fusion does not know, or none at all.
        """
        self.require_known(feats)
        return {m: feats[m] for m in self.modalities if m in feats}

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        return torch.stack([self.fc[m](f) for m, f in feats.items()]).mean(dim=0)
