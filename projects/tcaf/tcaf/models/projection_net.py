"""The two-layer networks of CJME and AVGZSLNet."""
from __future__ import annotations

from torch import Tensor, nn


class ProjectionNet(nn.Module):
    """Linear, BatchNorm (if ``norm``), ReLU, dropout, Linear, ReLU (if ``rectify``).

    The layers bear their official indices in ``fc``.

    Args:
        in_channels: Features of the input.
        hidden_channels: Features between the layers.
        out_channels: Features of the output.
        dropout: Probability of dropping a hidden feature in training.
        norm: Whether hidden features are normalised over the batch.
        rectify: Whether the output is never negative.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, dropout: float = 0.0,
                 norm: bool = True, rectify: bool = False):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(in_channels, hidden_channels), *([nn.BatchNorm1d(hidden_channels)] * norm), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(hidden_channels, out_channels), *([nn.ReLU()] * rectify))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels)`` to ``(B, out_channels)``."""
        return self.fc(x)
