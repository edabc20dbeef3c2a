"""Change of the sample rate."""
from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from avmm.datasets.transforms.base import AVTransform
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError

# Neighbouring output phases share one window of the input: few products with zero, and few windows to copy.
_GROUP = 32


@TRANSFORMS.register_module()
class ResampleAudio(AVTransform):
    r"""Resample a waveform by band-limited interpolation.

    Every output sample is a sum of input samples weighted by a sinc under a squared cosine window,

    .. math:: h(t) = \mathrm{sinc}(t) \cos^2\left(\frac{\pi t}{2 w}\right), \quad |t| < w,

    with t in zero crossings at the lower of both rates times ``rolloff`` and w = ``lowpass_filter_width``. These are
    the numbers of ``torchaudio.functional.resample``, but the kernel is kept between calls and only its non-zero part
    is multiplied.

    Required Keys:

    - audio (``(channels, L)``)
    - sample_rate (Hz)

    Modified Keys:

    - audio (``(channels, ceil(L * new / old))``)
    - sample_rate

    Args:
        sample_rate: New rate in Hz.
        max_samples: Output samples that are wanted at most; the rest is not computed. None computes all.
        lowpass_filter_width: Zero crossings on each side of the kernel.
        rolloff: Cut-off frequency, as a part of the Nyquist frequency.
    """

    def __init__(self, sample_rate: int, max_samples: int | None = None, lowpass_filter_width: int = 6,
                 rolloff: float = 0.99):
        if sample_rate < 1:
            raise ConfigError(f'sample_rate must be positive, got {sample_rate} Hz')
        if max_samples is not None and max_samples < 1:
            raise ConfigError(f'max_samples must be at least 1, got {max_samples}')
        self.sample_rate = sample_rate
        self.max_samples = max_samples
        self.lowpass_filter_width = lowpass_filter_width
        self.rolloff = rolloff

    def transform(self, results: dict) -> dict:
        """Resample, and cut to ``max_samples``."""
        if 'audio' not in results:
            return results
        results['audio'] = resample(results['audio'], results['sample_rate'], self.sample_rate, self.max_samples,
                                    self.lowpass_filter_width, self.rolloff)
        results['sample_rate'] = self.sample_rate
        return results


def resample(audio: Tensor, old_rate: int, new_rate: int, max_samples: int | None = None,
             lowpass_filter_width: int = 6, rolloff: float = 0.99) -> Tensor:
    """Resample a waveform ``(channels, L)`` to ``(channels, ceil(L * new_rate / old_rate))``.

    Args:
        audio: The waveform.
        old_rate: Its rate in Hz.
        new_rate: The rate wanted, in Hz.
        max_samples: Output samples that are wanted at most.
        lowpass_filter_width: Zero crossings on each side of the kernel.
        rolloff: Cut-off frequency, as a part of the Nyquist frequency.
    """
    common = math.gcd(int(old_rate), int(new_rate))
    old, new = int(old_rate) // common, int(new_rate) // common
    length = audio.shape[-1]
    wanted = math.ceil(length * new / old)
    if max_samples is not None:
        wanted = min(wanted, max_samples)
    if old == new:
        return audio[:, :wanted]
    kernel, taps_of_group, left = _grouped_kernel(old, new, lowpass_filter_width, rolloff)
    blocks = math.ceil(wanted / new)
    span = int(taps_of_group[-1, -1]) + 1
    needed = (blocks - 1) * old + span
    padded = torch.nn.functional.pad(audio, (left, max(0, needed - left - length))).numpy()
    # Indexing is several times faster in NumPy than in torch.
    windows = sliding_window_view(padded, span, axis=-1)[:, ::old][:, :blocks, taps_of_group]
    # (channels, blocks, groups, taps) x (groups, taps, phases) -> (channels, blocks, groups, phases)
    out = torch.einsum('cbgt,gtp->cbgp', torch.from_numpy(windows), kernel.to(audio.dtype))
    return out.reshape(len(audio), blocks, -1)[:, :, :new].reshape(len(audio), -1)[:, :wanted]


@functools.lru_cache(maxsize=16)
def _grouped_kernel(old: int, new: int, lowpass_filter_width: int, rolloff: float) -> tuple[Tensor, np.ndarray, int]:
    """Weights ``(groups, taps, phases)``, positions of the taps ``(groups, taps)``, and zeros to put in front."""
    phases = min(new, _GROUP)
    groups = math.ceil(new / phases)
    cutoff = min(old, new) * rolloff
    # Reach of the kernel on each side, in input samples.
    reach = lowpass_filter_width * old / cutoff
    left = math.ceil(reach)
    phase = torch.arange(groups * phases).reshape(groups, phases)
    first = torch.floor(phase[:, 0] * (old / new) - reach).long()
    taps = math.ceil((phases - 1) * old / new + 2 * reach) + 2
    positions = first[:, None] + torch.arange(taps)
    # Single precision and this order of operations as in torchaudio: the logarithm of what is left above the old
    # band shows the rounding of the kernel.
    distance = (-phase / new)[:, None, :] + (positions / old)[:, :, None]
    distance = (distance * cutoff).clamp(-lowpass_filter_width, lowpass_filter_width)
    window = torch.cos(distance * math.pi / lowpass_filter_width / 2) ** 2
    distance = distance * math.pi
    kernel = torch.where(distance == 0, torch.ones(()), distance.sin() / distance) * (window * (cutoff / old))
    return kernel.contiguous(), (positions + left).numpy(), left
