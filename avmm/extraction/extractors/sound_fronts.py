"""From waveforms to what the networks of published sound features take; filter banks and windows are kept."""
from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor


def vggish_patches(sound: Tensor, hop: float = 0.96) -> Tensor:
    r"""Log-mel patches of VGGish.

    Frames of 25 ms every 10 ms under a periodic Hann window, the magnitude of their transform of length 512, 64 mel
    bands from 125 to 7500 Hz, :math:`\ln(x + 0.01)`.

    Args:
        sound: ``(L,)`` at 16 kHz in [-1, 1].
        hop: Step between patches in s, a multiple of 0.01; 0.96 sets them side by side.

    Returns:
        ``(N, 96, 64)``: time, then bands. What is left after the last whole patch is dropped; N is 0 below 0.975 s.
    """
    if len(sound) < 400:
        return sound.new_zeros(0, 96, 64)
    frames = sound.unfold(0, 400, 160) * _hann(400).to(sound.dtype)
    # The magnitude of complex numbers is ten times faster in NumPy than in torch.
    magnitude = torch.from_numpy(np.abs(torch.fft.rfft(frames, 512).numpy()))
    mel = (magnitude @ _vggish_bank().to(sound.dtype)).add_(0.01).log_()
    if len(mel) < 96:
        return sound.new_zeros(0, 96, 64)
    return mel.unfold(0, 96, round(100 * hop)).transpose(1, 2).contiguous()


@functools.lru_cache(maxsize=4)
def _hann(length: int) -> Tensor:
    return torch.hann_window(length, dtype=torch.float64)


@functools.lru_cache(maxsize=1)
def _vggish_bank() -> Tensor:
    """Triangles in the mel domain ``(257, 64)``; the constant component belongs to none."""
    def mel(hz):
        return 1127 * np.log1p(np.asarray(hz) / 700)

    edges = np.linspace(mel(125), mel(7500), 66)
    bins = mel(np.linspace(0, 8000, 257))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rising, falling))
    bank[0] = 0
    return torch.from_numpy(bank)


def log_filterbank(windows: np.ndarray, sample_rate: int, frame_length: float = 0.02, frame_step: float = 0.01,
                   bands: int = 257, n_fft: int = 1024, preemphasis: float = 0.97) -> np.ndarray:
    """Logarithms of mel filter bank energies, as ``python_speech_features`` computes them.

    The filters are triangles between whole bins of the transform, so that low ones may hold none: their energy, and
    any other that is 0, becomes the smallest step of float64.

    Args:
        windows: Sounds ``(N, L)`` on the scale of 16 bits.
        sample_rate: Their rate in Hz.
        frame_length: Length of a frame in s; it has no window.
        frame_step: Step between frames in s. The last frame is filled with zeros.
        bands: Filters, from 0 Hz to half the rate.
        n_fft: Length of the transform.
        preemphasis: Part of the sample before that is subtracted from each.

    Returns:
        float64 ``(N, T, bands)``.
    """
    windows = windows.astype(np.float64)
    windows[:, 1:] -= preemphasis * windows[:, :-1].copy()
    length, step = (int(seconds * sample_rate + 0.5) for seconds in (frame_length, frame_step))
    count = 1 + max(0, -(-(windows.shape[1] - length) // step))
    windows = np.pad(windows, ((0, 0), (0, max(0, (count - 1) * step + length - windows.shape[1]))))
    frames = np.lib.stride_tricks.sliding_window_view(windows, length, axis=1)[:, ::step][:, :count]
    power = np.abs(np.fft.rfft(frames, n_fft)) ** 2 / n_fft
    energy = power @ _speech_bank(bands, n_fft, sample_rate).T
    return np.log(np.where(energy == 0, np.finfo(float).eps, energy))


@functools.lru_cache(maxsize=4)
def _speech_bank(bands: int, n_fft: int, sample_rate: int) -> np.ndarray:
    """Triangles between whole bins ``(bands, n_fft // 2 + 1)``."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    edges = np.floor((n_fft + 1) * hertz / sample_rate)
    low, middle, high = (edges[i:i + bands, None] for i in range(3))
    bins = np.arange(n_fft // 2 + 1)
    with np.errstate(divide='ignore', invalid='ignore'):
        rising = np.where((bins >= low) & (bins < middle), (bins - low) / (middle - low), 0)
        return np.where((bins >= middle) & (bins < high), (high - bins) / (high - middle), rising)
