r"""Resampling by long kernels, as a product in the frequency domain.

Sampled at the least common multiple of both rates, a kernel h of hundreds of taps is a filter, whose transform H is
all but zero above the lower one of both bands. A block of B input samples with the transform X then gives M output
samples (B : M as the rates, n their common multiple over the input rate) with the transform

.. math:: Y_m = \frac{M}{B\,n} \sum_j H_{m + jM} \, X_{(m + jM) \bmod B},

of which few j count; blocks overlap by the reach of the kernel. It is half the work of weighted sums, and less.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

# Input samples of a block, about; a product of small primes for the usual rates.
_BLOCK = 14112
# Blocks that are transformed at once.
_AT_ONCE = 64
# Parts of the transform below this are left out, relative to that at 0 Hz.
_NOTHING = 3e-6


@dataclass(frozen=True)
class FourierKernel:
    """A kernel that is kept between calls.

    Args:
        taps: Weights ``(2 * reach * new + 1)`` at the common rate, the one of time 0 in the middle.
        old: Input rate, divided by the common divisor of both.
        new: Output rate, divided alike.
        reach: Input samples on each side of an output that count.
    """
    taps: np.ndarray
    old: int
    new: int
    reach: int

    @cached_property
    def margin(self) -> int:
        """Periods of ``old`` samples by which blocks overlap on each side."""
        return -(-self.reach // self.old)

    @cached_property
    def periods(self) -> int:
        """Periods of a block."""
        return max(round(_BLOCK / self.old / 2) * 2, 4 * self.margin)

    @cached_property
    def parts(self) -> list[tuple[slice, slice, bool, np.ndarray]]:
        """Outputs, the inputs that they take, whether these are conjugates in falling order, and the weights."""
        block, out = self.periods * self.old, self.periods * self.new
        common = block * self.new
        line = np.zeros(common)
        middle = self.reach * self.new
        np.add.at(line, np.arange(-middle, middle + 1) % common, self.taps)
        transform = np.fft.rfft(line) / self.old
        bins = np.arange(out // 2 + 1)
        found = []
        for j in range(-self.old, self.old + 1):
            place = bins + j * out
            weight = np.where(np.abs(place) <= common // 2, transform[np.abs(place).clip(max=common // 2)], 0)
            weight = np.where(place < 0, weight.conj(), weight)
            loud = np.flatnonzero(np.abs(weight) > _NOTHING * abs(transform[0]))
            if len(loud):
                found += _pieces(loud[0], loud[-1] + 1, place % block, weight, block)
        return found

    def __call__(self, audio: Tensor, wanted: int) -> Tensor:
        """Resample ``(channels, L)`` to ``(channels, wanted)``; outside of it there is silence."""
        step = (self.periods - 2 * self.margin) * self.new
        count = -(-wanted // step)
        left = self.margin * self.old
        hop = step // self.new * self.old
        needed = (count - 1) * hop + self.periods * self.old
        padded = torch.nn.functional.pad(audio, (left, max(0, needed - left - audio.shape[-1])))
        blocks = padded.unfold(-1, self.periods * self.old, hop)[:, :count]
        out = torch.cat([self._blocks(part, step) for part in blocks.split(_AT_ONCE, 1)], 1)
        return out.flatten(1)[:, :wanted]

    def _blocks(self, blocks: Tensor, step: int) -> Tensor:
        """Outputs ``(channels, n, step)`` of blocks ``(channels, n, B)``."""
        out = self.periods * self.new
        # NumPy turns and multiplies parts of complex arrays several times faster than torch.
        spectrum = torch.fft.rfft(blocks).numpy()
        result = np.zeros((*spectrum.shape[:-1], out // 2 + 1), spectrum.dtype)
        for outputs, inputs, mirrored, weight in self.parts:
            taken = spectrum[..., inputs]
            taken = np.conj(taken[..., ::-1]) if mirrored else taken
            result[..., outputs] += taken * weight.astype(spectrum.dtype)
        first = self.margin * self.new
        return torch.fft.irfft(torch.from_numpy(result), out)[..., first:first + step]


def _pieces(first: int, last: int, place: np.ndarray, weight: np.ndarray, block: int) -> list[tuple]:
    """Outputs ``first`` to ``last``, cut where their inputs ``place`` pass 0 or the middle of the block."""
    mirrored = place > block // 2
    cuts = [i for i in range(first + 1, last) if mirrored[i] != mirrored[i - 1] or place[i] < place[i - 1]]
    found = []
    for start, end in zip([first, *cuts], [*cuts, last], strict=True):
        low, high = place[start], place[end - 1]
        inputs = slice(block - high, block - low + 1) if mirrored[start] else slice(low, high + 1)
        found.append((slice(start, end), inputs, bool(mirrored[start]), weight[start:end]))
    return found
