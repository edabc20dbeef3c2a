r"""Change of the sample rate, with kernels that are kept between calls.

Every output sample is a weighted sum of input samples around its time. With rates in the ratio old : new (reduced) the
weights of sample n are those of sample n + new, so that they are computed once for each of ``new`` phases.
"""
from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from avmm.media.fourier_resampling import FourierKernel
from avmm.utils import ConfigError

# Neighbouring output phases share one window of the input: few products with zero, and few windows to copy.
_GROUP = 32
# Output blocks whose windows are copied at once, so that an hour of sound takes no more memory than a minute.
_BLOCKS = 4096
# The kernel 'kaiser_best' of resampy 0.4: zero crossings on each side, table entries from one to the next, shape of
# the window, and cut-off frequency.
_ZEROS, _ENTRIES, _BETA, _ROLLOFF = 50, 8192, 12.984585254783862, 0.9173473712608761
#: Kernels of :func:`resample`.
KERNELS = ('sinc_hann', 'kaiser_best')


def resample(audio: Tensor, old_rate: int, new_rate: int, max_samples: int | None = None,
             lowpass_filter_width: int = 6, rolloff: float = 0.99, kernel: str = 'sinc_hann') -> Tensor:
    """Resample a waveform ``(channels, L)``.

    Args:
        audio: The waveform.
        old_rate: Its rate in Hz.
        new_rate: The rate wanted, in Hz.
        max_samples: Output samples that are wanted at most.
        lowpass_filter_width: Zero crossings on each side of ``'sinc_hann'``.
        rolloff: Cut-off frequency of ``'sinc_hann'``, as a part of the Nyquist frequency.
        kernel: ``'sinc_hann'``, a short sinc under a squared cosine, as in torchaudio; or ``'kaiser_best'``, a long
            one under a Kaiser window, as in resampy.

    Returns:
        ``(channels, ceil(L * new_rate / old_rate))``; ``'kaiser_best'`` leaves a begun last sample out.

    Raises:
        ConfigError: If the kernel is unknown.
    """
    if kernel not in KERNELS:
        raise ConfigError(f'{kernel!r} is no kernel for resampling; use one of {", ".join(KERNELS)}')
    common = math.gcd(int(old_rate), int(new_rate))
    old, new = int(old_rate) // common, int(new_rate) // common
    exact = audio.shape[-1] * new / old
    wanted = math.ceil(exact) if kernel == 'sinc_hann' else int(exact)
    if max_samples is not None:
        wanted = min(wanted, max_samples)
    if old == new or wanted == 0:
        return audio[:, :wanted]
    if kernel == 'sinc_hann':
        return _weigh(audio, old, new, wanted, *_grouped_kernel(old, new, lowpass_filter_width, rolloff))
    return _kaiser_best(old, new)(audio, wanted)


def _weigh(audio: Tensor, old: int, new: int, wanted: int, kernel: Tensor, taps_of_group: np.ndarray,
           left: int) -> Tensor:
    """Apply the weights of ``new`` phases to every block of ``old`` samples."""
    length, blocks = audio.shape[-1], math.ceil(wanted / new)
    span = int(taps_of_group[-1, -1]) + 1
    needed = (blocks - 1) * old + span
    padded = torch.nn.functional.pad(audio, (left, max(0, needed - left - length))).numpy()
    # Indexing is several times faster in NumPy than in torch.
    windows = sliding_window_view(padded, span, axis=-1)[:, ::old][:, :blocks]
    parts = []
    for first in range(0, blocks, _BLOCKS):
        part = torch.from_numpy(windows[:, first:first + _BLOCKS, taps_of_group])
        # (channels, blocks, groups, taps) x (groups, taps, phases) -> (channels, blocks, groups, phases)
        out = torch.einsum('cbgt,gtp->cbgp', part, kernel.to(audio.dtype))
        parts.append(out.reshape(*out.shape[:2], -1)[:, :, :new].reshape(len(audio), -1))
    return (parts[0] if len(parts) == 1 else torch.cat(parts, 1))[:, :wanted]


def _taps(old: int, new: int, reach: float) -> tuple[Tensor, Tensor]:
    """Phases ``(groups, phases)`` and input positions of the taps of each group ``(groups, taps)``."""
    phases = min(new, _GROUP)
    groups = math.ceil(new / phases)
    phase = torch.arange(groups * phases).reshape(groups, phases)
    first = torch.floor(phase[:, 0] * (old / new) - reach).long()
    taps = math.ceil((phases - 1) * old / new + 2 * reach) + 2
    return phase, first[:, None] + torch.arange(taps)


@functools.lru_cache(maxsize=16)
def _grouped_kernel(old: int, new: int, lowpass_filter_width: int, rolloff: float) -> tuple[Tensor, np.ndarray, int]:
    """Weights ``(groups, taps, phases)``, positions of the taps ``(groups, taps)``, and zeros to put in front."""
    cutoff = min(old, new) * rolloff
    # Reach of the kernel on each side, in input samples.
    reach = lowpass_filter_width * old / cutoff
    left = math.ceil(reach)
    phase, positions = _taps(old, new, reach)
    # Single precision and this order of operations as in torchaudio: the logarithm of what is left above the old
    # band shows the rounding of the kernel.
    distance = (-phase / new)[:, None, :] + (positions / old)[:, :, None]
    distance = (distance * cutoff).clamp(-lowpass_filter_width, lowpass_filter_width)
    window = torch.cos(distance * math.pi / lowpass_filter_width / 2) ** 2
    distance = distance * math.pi
    kernel = torch.where(distance == 0, torch.ones(()), distance.sin() / distance) * (window * (cutoff / old))
    return kernel.contiguous(), (positions + left).numpy(), left


@functools.lru_cache(maxsize=16)
def _kaiser_best(old: int, new: int) -> FourierKernel:
    """A windowed sinc that is read from a table, in whole steps of it from tap to tap."""
    scale = min(1.0, new / old)
    step = int(scale * _ENTRIES)
    reach = _ZEROS * _ENTRIES // step + 1
    # Whole input samples between the output and a tap on its left, or on its right, and the entry of the nearest.
    time = np.arange(-reach * new, reach * new + 1)
    steps = np.where(time >= 0, time // new, -time // new - (time % new == 0))
    entry = (np.abs(time) / new - steps) * scale * _ENTRIES
    offset = np.floor(entry)
    x = (np.stack([offset, offset + 1]) + steps * step) / _ENTRIES
    window = np.i0(_BETA * np.sqrt(np.maximum(0, 1 - (x / _ZEROS) ** 2))) / np.i0(_BETA)
    low, high = scale * _ROLLOFF * np.sinc(_ROLLOFF * x) * window
    weights = np.where(steps < (_ZEROS * _ENTRIES + 1 - offset) // step, low + (entry - offset) * (high - low), 0)
    return FourierKernel(weights, old, new, reach)
