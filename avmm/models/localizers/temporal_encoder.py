"""Relations between the segments of one modality."""
from __future__ import annotations

import copy

from torch import Tensor, nn

from avmm.models.attention import MultiheadAttention
from avmm.models.localizers.feed_forward import Dropout, FeedForward
from avmm.registry import MODELS


class EncoderLayer(nn.Module):
    """Post-norm transformer layer: ``x = LN(x + dropout(attention(x, x)))``, then :class:`FeedForward`.

    Args:
        channels: Width D of a position.
        num_heads: Heads of the attention.
        hidden_channels: Width inside the feed-forward block.
        dropout: Probability of every dropout in training, of attention weights too.
    """

    def __init__(self, channels: int, num_heads: int, hidden_channels: int, dropout: float):
        super().__init__()
        self.attention = MultiheadAttention(channels, num_heads, dropout)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels, hidden_channels, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D)`` to the same shape."""
        return self.feed_forward(self.norm(x + self.dropout(self.attention(x, x))))


@MODELS.register_module()
class TemporalEncoder(nn.Module):
    """Self-attention over the segments of one modality, after a linear layer that brings them to a common width.

    The intra-modality relations of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization",
    ACM MM 2020). No positional encoding, no mask, no norm at the end; any number of segments. The layers of the stack
    start with the same weights, as in the published code.

    Args:
        in_channels: Width of a segment.
        channels: Width D inside.
        num_layers: Layers of the stack.
        num_heads: Heads of each attention.
        hidden_channels: Width inside the feed-forward blocks.
        dropout: Probability of every dropout in training.
    """

    def __init__(self, in_channels: int, channels: int = 256, num_layers: int = 2, num_heads: int = 4,
                 hidden_channels: int = 2048, dropout: float = 0.1):
        super().__init__()
        self.affine = nn.Linear(in_channels, channels)
        first = EncoderLayer(channels, num_heads, hidden_channels, dropout)
        self.layers = nn.ModuleList([first, *(copy.deepcopy(first) for _ in range(num_layers - 1))])

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D_in)`` to ``(B, S, D)``."""
        x = self.affine(x)
        for layer in self.layers:
            x = layer(x)
        return x
