"""The block that transformer layers end with, and dropout of ours."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.attention.functional import dropout, linear_relu


class Dropout(nn.Dropout):
    """``nn.Dropout`` with the random numbers of :func:`avmm.models.attention.functional.dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """``x`` of any shape, with elements dropped in training."""
        return dropout(x, self.p) if self.training else x


class FeedForward(nn.Module):
    """``LN(x + dropout(W2 dropout(relu(W1 x))))``, the second half of a post-norm transformer layer.

    Args:
        channels: Width D of a position.
        hidden_channels: Width between the two linear layers.
        dropout: Probability of both dropouts in training.
    """

    def __init__(self, channels: int = 256, hidden_channels: int = 2048, dropout: float = 0.1):
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden_channels)
        self.linear2 = nn.Linear(hidden_channels, channels)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S, D)`` to the same shape."""
        hidden = linear_relu(x, self.linear1.weight, self.linear1.bias, self.dropout.p if self.training else 0.0)
        return self.norm(x + self.dropout(self.linear2(hidden)))
