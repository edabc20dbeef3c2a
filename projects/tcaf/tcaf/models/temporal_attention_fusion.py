"""Attention fusion: each modality is pooled over time, then weighed against the other."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.base import Feats
from avmm.registry import MODELS
from projects.tcaf.tcaf.models.sequence_model import SequenceModel


@MODELS.register_module()
class TemporalAttentionFusion(SequenceModel):
    r"""Pools the steps of each modality with learned attention, and weighs the modalities channel by channel.

    No reference code: the row "Attention fusion" of the TCAF paper (ECCV 2022), which adapts "Large Scale Audiovisual
    Learning of Sounds with Weakly Labeled Data" (IJCAI 2020), was published without its program. This is a design of
    AVMM on the encoders, heads and losses of TCAF. With tokens x of modality m,

    .. math::
        p_m = \sum_t \text{softmax}_t(u_m \cdot \tanh(U_m x_t))\, x_t, \qquad
        c = \sum_m \text{softmax}_m(G_m p_m) \odot p_m

    Modalities never meet before they are pooled.

    Args:
        in_channels: Width of the features of each modality.
        attention_channels: Width of the hidden layer of the pooling.
        channels: Width d of a token.
        **options: Further arguments of :class:`SequenceModel`.

    Example:
        >>> model = MODELS.build(dict(type='TemporalAttentionFusion', in_channels=dict(audio=128, visual=4096),
        ...                           encoder=dict(hidden_channels=512)))
        >>> model(dict(audio=torch.rand(2, 7, 128), visual=torch.rand(2, 11, 4096))).shape
        torch.Size([2, 64])
    """

    def __init__(self, in_channels: dict[str, int], attention_channels: int = 128, channels: int = 300, **options):
        super().__init__(in_channels, channels, **options)
        self.scores = nn.ModuleDict({
            m: nn.Sequential(nn.Linear(channels, attention_channels), nn.Tanh(), nn.Linear(attention_channels, 1))
            for m in in_channels})
        self.gates = nn.ModuleDict({m: nn.Linear(channels, channels) for m in in_channels})

    def gather(self, tokens: Feats, masks: dict[str, Tensor | None]) -> Tensor:
        """The weighed sum of the pooled modalities, ``(B, d)``."""
        pooled = {m: self.pool(m, x, masks[m]) for m, x in tokens.items()}
        weights = torch.stack([self.gates[m](p) for m, p in pooled.items()], 1).softmax(1)
        return (weights * torch.stack(list(pooled.values()), 1)).sum(1)

    def pool(self, modality: str, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, d)`` to ``(B, d)``."""
        scores = self.scores[modality](x).squeeze(-1)
        if mask is not None:
            # A finite number: a clip without a single step is pooled evenly.
            scores = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min)
        return (scores.softmax(-1).unsqueeze(1) @ x).squeeze(1)
