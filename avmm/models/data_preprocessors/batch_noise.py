"""Noise on whole batches."""
from __future__ import annotations

import torch

from avmm.registry import MODELS
from avmm.structures import AVDataSample


@MODELS.register_module()
class BatchNoise:
    r"""Add white Gaussian noise of variance :math:`P / 10^{\mathrm{SNR}/10}`.

    P is the mean square of the whole batch.

    Args:
        snr: Signal-to-noise ratio in dB.
        modality: The modality to disturb.
    """

    def __init__(self, snr: float, modality: str = 'visual'):
        self.snr = float(snr)
        self.modality = modality

    def __call__(self, inputs: dict, samples: list[AVDataSample]) -> tuple[dict, list[AVDataSample]]:
        """Disturb ``inputs[modality]``, ``(B, ...)`` or a list of tensors."""
        value = inputs.get(self.modality)
        if value is None:
            return inputs, samples
        parts = [value] if torch.is_tensor(value) else list(value)
        power = sum(p.square().sum() for p in parts) / sum(p.numel() for p in parts)
        deviation = (power / 10 ** (self.snr / 10)).sqrt()
        noisy = [p + torch.randn_like(p) * deviation for p in parts]
        return {**inputs, self.modality: noisy[0] if torch.is_tensor(value) else noisy}, samples
