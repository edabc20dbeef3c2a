"""Targets in the form that a loss needs."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from avmm.structures import AVDataSample


def as_scores(target: Tensor, logits: Tensor) -> Tensor:
    """Targets as scores ``(..., C)`` of the type of ``logits``: class indices ``(...)`` become one-hot rows."""
    if target.dim() < logits.dim():
        target = F.one_hot(target, logits.shape[-1])
    return target.to(logits.dtype)


def batch_targets(data_samples: Sequence[AVDataSample], num_classes: int, multi_label: bool,
                  device: torch.device) -> Tensor:
    """What the samples of a batch say, as a loss takes it.

    Args:
        data_samples: B samples; a batch that holds all targets in one tensor has it as ``target`` ``(B, C)``.
        num_classes: Number of classes C.
        multi_label: Whether a sample may have several classes.
        device: Where the targets go.

    Returns:
        Target scores ``(B, C)`` where the samples carry them, or where there may be several classes; class indices
        ``(B,)`` otherwise.
    """
    if getattr(data_samples, 'target', None) is not None:
        return data_samples.target.to(device, non_blocking=True)
    if 'gt_score' in data_samples[0]:
        return torch.stack([s.gt_score for s in data_samples]).to(device, non_blocking=True)
    if not multi_label:
        return torch.tensor([s.gt_label for s in data_samples], device=device)
    target = torch.zeros(len(data_samples), num_classes)
    for row, sample in zip(target, data_samples, strict=True):
        row[torch.as_tensor(sample.gt_label)] = 1
    return target.to(device, non_blocking=True)
