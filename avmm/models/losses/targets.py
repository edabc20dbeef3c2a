"""Targets in the form that a loss needs."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def as_scores(target: Tensor, logits: Tensor) -> Tensor:
    """Targets as scores ``(..., C)`` of the type of ``logits``: class indices ``(...)`` become one-hot rows."""
    if target.dim() < logits.dim():
        target = F.one_hot(target, logits.shape[-1])
    return target.to(logits.dtype)
