"""The mean over the cells of a segment."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.registry import MODELS


@MODELS.register_module()
class CellMean(nn.Module):
    """One vector from the cells of a segment, without attention: the ablation of :class:`AGTA`."""

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Cells ``(B, S, h, w, D)`` to ``(B, S, D)``; the audio has no part in it."""
        return visual.flatten(2, 3).mean(2)
