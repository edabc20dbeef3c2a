"""From a waveform to time and frequency."""
from __future__ import annotations

import functools

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from avmm.datasets.transforms.base import AVTransform, clip_name
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError, DataError


@functools.lru_cache(maxsize=16)
def _hann(length: int) -> Tensor:
    return torch.hann_window(length)


@TRANSFORMS.register_module()
class LogSpectrogram(AVTransform):
    r"""Logarithm of the magnitude of a short-time Fourier transform, :math:`\ln(|X| + \epsilon)`.

    The defaults turn 66,150 samples at 22,050 Hz into 257 frequencies at 188 times.

    Required Keys:

    - audio (``(channels, L)``)

    Modified Keys:

    - audio (``(channels, F, T)``)

    Args:
        n_fft: Length of the transform in samples; F is ``n_fft // 2 + 1``.
        win_length: Length of the periodic Hann window. Defaults to ``n_fft``.
        hop_length: Step between frames in samples.
        center: Whether frames are centred on their time, with ``n_fft // 2`` samples added on each side.
        pad_mode: How they are made up: ``'constant'`` (zeros) or ``'reflect'``.
        eps: Added before the logarithm.
        mean: Subtracted from the result.
        std: Divides the result.
        resize: ``(F, T)`` or one number for both, to which the picture is resized by antialiased bilinear
            interpolation. None keeps it.
    """

    def __init__(self, n_fft: int = 512, win_length: int | None = None, hop_length: int = 353, center: bool = True,
                 pad_mode: str = 'constant', eps: float = 1e-7, mean: float = 0.0, std: float = 1.0,
                 resize: int | tuple[int, int] | None = None):
        if hop_length < 1 or n_fft < 2:
            raise ConfigError(f'n_fft must be at least 2 and hop_length at least 1, got {n_fft} and {hop_length}')
        self.n_fft = n_fft
        self.win_length = win_length or n_fft
        if self.win_length > n_fft:
            raise ConfigError(f'win_length must be at most n_fft, got {self.win_length} and {n_fft}')
        self.hop_length = hop_length
        self.center = center
        self.pad_mode = pad_mode
        self.eps = eps
        self.mean = mean
        self.std = std
        self.resize = (resize, resize) if isinstance(resize, int) else resize and tuple(resize)

    def transform(self, results: dict) -> dict:
        """Compute the spectrogram."""
        if 'audio' not in results:
            return results
        audio = results['audio']
        if not self.center and audio.shape[-1] < self.n_fft:
            raise DataError(f'{clip_name(results)}: the sound is too short, {audio.shape[-1]} samples for a window of '
                            f'{self.n_fft}')
        window = _hann(self.win_length).to(audio.dtype)
        spectrum = torch.stft(audio, self.n_fft, self.hop_length, self.win_length, window, center=self.center,
                              pad_mode=self.pad_mode, return_complex=True)
        # The magnitude of complex numbers is ten times faster in NumPy than in torch.
        picture = torch.from_numpy(np.abs(spectrum.numpy())).add_(self.eps).log_()
        if self.mean != 0 or self.std != 1:
            picture = picture.sub_(self.mean).div_(self.std)
        if self.resize is not None:
            picture = resize_float(picture, self.resize)
        results['audio'] = picture.contiguous()
        return results


def resize_float(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(C, F, T)`` to ``(C, *size)`` by PIL's antialiased bilinear interpolation on float images."""
    planes = [Image.fromarray(p.numpy()).resize(size[::-1], Image.Resampling.BILINEAR) for p in picture.contiguous()]
    return torch.from_numpy(np.stack([np.asarray(p) for p in planes]))


@TRANSFORMS.register_module()
class KaldiFbank(AVTransform):
    """Log-mel filter banks as Kaldi computes them, without dither.

    Source: the audio front end of "PSLA" (Gong et al., 2021), shared by UAVM (Gong et al., 2022): a Hann window, 25 ms
    frames every 10 ms; ten seconds at 16 kHz give 998 frames.

    Required Keys:

    - audio (``(channels, L)``; the first channel is used)
    - sample_rate (Hz)

    Modified Keys:

    - audio (``(1, num_mel_bins, T)``)

    Args:
        num_mel_bins: Mel bands.
        frame_length: Length of a frame in ms.
        frame_shift: Step between frames in ms.
        target_length: Frames wanted: zeros are added at the end, or the end is cut. None keeps them all.
        remove_mean: Whether the mean of the waveform is subtracted first.
        window_type: Window of Kaldi's list.
    """

    def __init__(self, num_mel_bins: int = 128, frame_length: float = 25.0, frame_shift: float = 10.0,
                 target_length: int | None = None, remove_mean: bool = True, window_type: str = 'hanning'):
        if target_length is not None and target_length < 1:
            raise ConfigError(f'target_length must be at least 1 frame, got {target_length}')
        self.num_mel_bins = num_mel_bins
        self.frame_length = frame_length
        self.frame_shift = frame_shift
        self.target_length = target_length
        self.remove_mean = remove_mean
        self.window_type = window_type

    def transform(self, results: dict) -> dict:
        """Compute the filter banks."""
        if 'audio' not in results:
            return results
        from torchaudio.compliance import kaldi
        audio, rate = results['audio'][:1], results['sample_rate']
        shortest = int(rate * self.frame_length / 1000)
        if audio.shape[-1] < shortest:
            raise DataError(f'{clip_name(results)}: the sound is too short, {audio.shape[-1]} samples for a frame of '
                            f'{shortest}')
        if self.remove_mean:
            audio = audio - audio.mean()
        bank = kaldi.fbank(audio, htk_compat=True, sample_frequency=rate, use_energy=False,
                           window_type=self.window_type, num_mel_bins=self.num_mel_bins, dither=0.0,
                           frame_shift=self.frame_shift, frame_length=self.frame_length).T
        if self.target_length is not None:
            bank = torch.nn.functional.pad(bank, (0, max(0, self.target_length - bank.shape[1])))
            bank = bank[:, :self.target_length]
        results['audio'] = bank[None].contiguous()
        return results


@TRANSFORMS.register_module()
class NormalizeSpectrogram(AVTransform):
    """Subtract a mean and divide by a standard deviation.

    Modified Keys:

    - audio (``(channels, F, T)``)

    Args:
        mean: Mean of the data set.
        std: Standard deviation of the data set.
    """

    def __init__(self, mean: float, std: float):
        if std <= 0:
            raise ConfigError(f'std must be positive, got {std}')
        self.mean = mean
        self.std = std

    def transform(self, results: dict) -> dict:
        """Normalise the spectrogram."""
        if 'audio' in results:
            results['audio'] = (results['audio'] - self.mean) / self.std
        return results
