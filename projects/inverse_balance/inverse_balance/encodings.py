"""Images as spikes over time."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# A pixel has so many binary digits in the phase code.
_DIGITS = 8


def direct(images: Tensor, steps: int) -> Tensor:
    """The same image ``(N, C, H, W)`` in each of S steps, ``(S, N, C, H, W)``; a view."""
    return images.expand(steps, *images.shape)


def rate(images: Tensor, steps: int) -> Tensor:
    """A spike with the probability of the intensity in [0, 1], anew in each step: ``x > U[0, 1)``."""
    return (images > torch.rand(steps, *images.shape, device=images.device)).to(images.dtype)


def ttfs(images: Tensor, steps: int) -> Tensor:
    """One spike a pixel, the sooner the brighter ("time to first spike").

    An intensity x in (0, 1] fires in step i, counted from 0, if ``S - i - 1 < x S <= S - i``, with the height
    ``1 / (i + 1)``.
    """
    when = (steps - (images * steps).ceil()).to(torch.int64)
    step = torch.arange(steps, device=images.device).view(-1, *[1] * images.dim())
    return (step == when) / (step + 1).to(images.dtype)


def phase(images: Tensor, steps: int) -> Tensor:
    """The binary digits of ``floor(256 x)``, one a step, the highest first.

    The digit of step i weighs ``2^-i``; after eight steps the pattern begins again. An intensity of 1 counts as 255.
    """
    value = (images * 2**_DIGITS).long().clamp(0, 2**_DIGITS - 1)
    index = (torch.arange(steps, device=images.device) % _DIGITS).view(-1, *[1] * images.dim())
    digit = (value >> (_DIGITS - 1 - index)) & 1
    return digit * torch.pow(2.0, -index).to(images.dtype)


#: ``encoding(images (N, C, H, W), steps) -> (S, N, C, H, W)`` by name.
ENCODINGS: dict[str, Callable[[Tensor, int], Tensor]] = dict(direct=direct, rate=rate, ttfs=ttfs, phase=phase)
