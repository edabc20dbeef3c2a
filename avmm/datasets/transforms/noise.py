"""Noise at a signal-to-noise ratio."""
from __future__ import annotations

import torch

from avmm.datasets.transforms.base import AVTransform
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError


@TRANSFORMS.register_module()
class AddNoise(AVTransform):
    r"""Add white Gaussian noise of variance :math:`P / 10^{\mathrm{SNR}/10}`, P being the mean square of the signal.

    Required Keys:

    - the key named by ``key``, a float tensor: ``audio`` as waveform or spectrogram, ``visual`` after ``Normalize``
    - rng

    Modified Keys:

    - the same

    Args:
        snr: Signal-to-noise ratio in dB, or ``(low, high)`` to draw one uniformly for each sample.
        key: What to disturb.
        prob: Probability that a sample is disturbed.
    """

    random = True

    def __init__(self, snr: float | tuple[float, float], key: str = 'audio', prob: float = 1.0):
        self.snr = (snr, snr) if isinstance(snr, (int, float)) else tuple(snr)
        if len(self.snr) != 2 or self.snr[0] > self.snr[1]:
            raise ConfigError(f'snr must be a number or (low, high) in dB, got {snr!r}')
        if not 0 <= prob <= 1:
            raise ConfigError(f'prob must lie in 0 to 1, got {prob}')
        self.key = key
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Disturb the signal."""
        signal = results.get(self.key)
        if signal is None:
            return results
        if not torch.is_tensor(signal) or not signal.is_floating_point():
            raise ConfigError(f'AddNoise needs {self.key} as a float tensor; put it after the step that makes one')
        rng = results['rng']
        if rng.random() >= self.prob:
            return results
        power = signal.square().mean().item() / 10 ** (rng.uniform(*self.snr) / 10)
        noise = torch.from_numpy(rng.standard_normal(tuple(signal.shape), dtype='float32'))
        results[self.key] = signal + noise * power ** 0.5
        return results
