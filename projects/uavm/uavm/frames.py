"""Frames as the visual extractor of UAVM reads them."""
from __future__ import annotations

import torch
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised_frames(frames: Tensor) -> Tensor:
    """Frames ``(N, 3, H, W)`` in 0 to 255, bytes or floats, normalised as ImageNet's.

    The published program adds 1e-8 to the standard deviations.
    """
    mean, std = (torch.tensor(values, device=frames.device).view(3, 1, 1) for values in (MEAN, STD))
    return (frames.float() / 255 - mean) / (std + 1e-8)
