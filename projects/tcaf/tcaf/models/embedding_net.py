"""The small networks between the spaces of TCAF and AVCA."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.localizers.feed_forward import Dropout
from projects.tcaf.tcaf.models.padding import Packing


class EmbeddingNet(nn.Module):
    """One or two linear layers, each normalised over the batch, with ReLU and dropout.

    With ``hidden_channels``: Linear, BatchNorm (if ``hidden_norm``), ReLU, dropout, Linear, BatchNorm, ReLU, dropout.
    Without: Linear, BatchNorm, ReLU, dropout. Outputs are never negative. The layers bear their official indices in
    ``fc``.

    Args:
        in_channels: Features of the input.
        out_channels: Features of the output.
        hidden_channels: Features between the two layers; None for one layer.
        dropout: Probability of both dropouts.
        hidden_norm: Whether the hidden features are normalised.
        momentum: Momentum of the running statistics of the output's normalisation in a network of two layers; all
            others have PyTorch's.

    Example:
        >>> EmbeddingNet(128, 300, hidden_channels=512, dropout=0.3)(torch.rand(4, 128)).shape
        torch.Size([4, 300])
    """

    def __init__(self, in_channels: int, out_channels: int, hidden_channels: int | None = None, dropout: float = 0.0,
                 hidden_norm: bool = True, momentum: float = 0.1):
        super().__init__()
        layers, width = [], in_channels
        if hidden_channels:
            layers = [nn.Linear(in_channels, hidden_channels), *([nn.BatchNorm1d(hidden_channels)] * hidden_norm),
                      nn.ReLU(), Dropout(dropout)]
            width = hidden_channels
        norm = nn.BatchNorm1d(out_channels, momentum=momentum if hidden_channels else 0.1)
        self.fc = nn.Sequential(*layers, nn.Linear(width, out_channels), norm, nn.ReLU(), Dropout(dropout))

    def forward(self, x: Tensor, packing: Packing | None = None) -> Tensor:
        """``(B, in_channels)`` to ``(B, out_channels)``.

        Args:
            x: Features; with ``packing``, ``(B, T, in_channels)`` with zeros in the rows that do not count, to
                ``(B T, out_channels)``.
            packing: Says which rows count. The others, which the first layer maps to its bias, cost it nothing; they
                take part in the statistics of the batch all the same.
        """
        if packing is None:
            return self.fc(x)
        first, *rest = self.fc
        x = packing.unpack(F.linear(packing.pack(x), first.weight)).flatten(0, 1) + first.bias
        for layer in rest:
            x = layer(x)
        return x
