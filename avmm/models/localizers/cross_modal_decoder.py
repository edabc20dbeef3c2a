"""Relations between the segments of one modality and those of another."""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from avmm.models.localizers.feed_forward import Dropout, FeedForward
from avmm.registry import MODELS


class DecoderLayer(nn.Module):
    """``q = LN(q + dropout(attention(q, [memory, q])))``, then :class:`FeedForward`.

    Args:
        channels: Width D of a position.
        attention: Config of the attention; ``channels`` and ``dropout`` are filled in.
        hidden_channels: Width inside the feed-forward block.
        dropout: Probability of every dropout in training, of attention weights too.
    """

    def __init__(self, channels: int, attention: dict, hidden_channels: int, dropout: float):
        super().__init__()
        self.attention = MODELS.build(dict(dict(channels=channels, dropout=dropout), **attention))
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels, hidden_channels, dropout)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Queries ``(B, S, D)`` and memory ``(B, M, D)`` to ``(B, S, D)``."""
        both = torch.cat([memory, query], dim=1)
        gathered = self.attention(query, both, num_cross=memory.shape[1])
        return self.feed_forward(self.norm(query + self.dropout(gathered)))


@MODELS.register_module()
class CrossModalDecoder(nn.Module):
    """Lets each segment of one modality gather from all segments of both.

    The cross-modal relation attention of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event
    Localization", ACM MM 2020): keys and values are the encoded segments of the other modality followed by the
    queries themselves. The layers of a stack start with the same weights.

    Args:
        in_channels: Width of a query segment.
        channels: Width D inside and of the memory.
        num_layers: Layers of the stack.
        attention: Config of the attention between the two; :class:`MultiheadAttention` with four heads by default.
        hidden_channels: Width inside the feed-forward blocks.
        dropout: Probability of every dropout in training.
    """

    def __init__(self, in_channels: int, channels: int = 256, num_layers: int = 1, attention: dict | None = None,
                 hidden_channels: int = 2048, dropout: float = 0.1):
        super().__init__()
        self.affine = nn.Linear(in_channels, channels)
        attention = attention or dict(type='MultiheadAttention', num_heads=4)
        first = DecoderLayer(channels, attention, hidden_channels, dropout)
        self.layers = nn.ModuleList([first, *(copy.deepcopy(first) for _ in range(num_layers - 1))])

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Queries ``(B, S, D_in)`` and memory ``(B, M, D)`` to ``(B, S, D)``."""
        x = self.affine(query)
        for layer in self.layers:
            x = layer(x, memory)
        return x
