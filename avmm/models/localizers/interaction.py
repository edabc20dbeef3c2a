"""What two modalities say together."""
from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from avmm.models.attention import MultiheadAttention
from avmm.models.localizers.feed_forward import Dropout
from avmm.registry import MODELS


@MODELS.register_module()
class AVInteraction(nn.Module):
    r"""Attention that asks with the product of the modalities and gathers from both.

    The audio-visual interaction of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization",
    ACM MM 2020), which DMIN takes over:

    .. math:: g = v \odot a, \qquad f = LN(g + dropout(attention(g, [a, v])))

    Args:
        channels: Width D of a segment.
        num_heads: Heads of the attention.
        dropout: Probability of dropping an attention weight, or an output of the attention, in training.
        modalities: Order of the modalities in the memory.
    """

    def __init__(self, channels: int = 256, num_heads: int = 4, dropout: float = 0.1,
                 modalities=('audio', 'visual')):
        super().__init__()
        self.modalities = tuple(modalities)
        self.attention = MultiheadAttention(channels, num_heads, dropout)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(channels)

    def forward(self, segments: dict[str, Tensor]) -> Tensor:
        """``{modality: (B, S, D)}`` to ``(B, S, D)``."""
        ordered = [segments[m] for m in self.modalities]
        product = reduce(torch.mul, ordered)
        return self.norm(product + self.dropout(self.attention(product, torch.cat(ordered, dim=1))))
