"""Fusion by concatenation and one linear layer."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class ConcatFusion(Fusion):
    r"""Concatenate the features and classify them: :math:`z = [f_1; \dots; f_M] W^T + b`.

    Since :math:`W` splits into one block of columns a modality, so do the logits. What modality m says alone is

    .. math:: z_m = f_m W_m^T + b / M, \qquad \sum_m z_m = z,

    the unimodal score of `OGM-GE <https://arxiv.org/abs/2203.15332>`_ (section 3.2), for any number of modalities.

    Args:
        in_channels: Width of the features of each modality, in the order of concatenation.
        num_classes: Number of classes C.
        init_cfg: Initialisation of mmengine.

    Example:
        >>> fusion = ConcatFusion(dict(audio=512, visual=256), num_classes=6)
        >>> fusion(dict(audio=torch.rand(4, 512), visual=torch.rand(4, 256))).shape
        torch.Size([4, 6])
    """

    def __init__(self, in_channels: dict[str, int], num_classes: int, init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.fc_out = nn.Linear(sum(in_channels.values()), num_classes)

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        return self.fc_out(torch.cat([feats[m] for m in self.modalities], dim=1))

    def unimodal_logits(self, feats: Feats) -> Feats:
        """``{m: f_m W_m^T + b/M}`` of the transformed features, each ``(B, C)``; their sum is the joint logits."""
        seen = self.transform(self.complete(feats))
        blocks = self.fc_out.weight.split(list(self.in_channels.values()), dim=1)
        bias = self.fc_out.bias / len(blocks)
        return {m: F.linear(seen[m], block, bias)
                for m, block in zip(self.modalities, blocks, strict=True) if m in feats}
