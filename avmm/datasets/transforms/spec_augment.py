"""Masking of spectrograms."""
from __future__ import annotations

from avmm.datasets.transforms.base import AVTransform
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError


@TRANSFORMS.register_module()
class SpecAugment(AVTransform):
    """Mask a band of frequencies and a stretch of time.

    The width is uniform in [0, mask), the start uniform in [0, size - width), both cut to whole bins. Frequency comes
    first. Source: "SpecAugment" (Park et al., 2019), without time warping.

    Required Keys:

    - audio (``(channels, F, T)``)
    - rng

    Modified Keys:

    - audio

    Args:
        freq_mask: Largest width of the frequency mask in bins; 0 leaves it out.
        time_mask: Largest width of the time mask in frames; 0 leaves it out.
        value: What masked bins become.
        num_masks: Masks of each kind.
    """

    random = True

    def __init__(self, freq_mask: int = 48, time_mask: int = 192, value: float = 0.0, num_masks: int = 1):
        if freq_mask < 0 or time_mask < 0:
            raise ConfigError(f'mask widths must be 0 or more, got {freq_mask} and {time_mask}')
        self.freq_mask = freq_mask
        self.time_mask = time_mask
        self.value = value
        self.num_masks = num_masks

    def transform(self, results: dict) -> dict:
        """Mask the spectrogram."""
        if 'audio' not in results:
            return results
        picture, rng = results['audio'].clone(), results['rng']
        for _ in range(self.num_masks):
            for axis, widest in ((-2, self.freq_mask), (-1, self.time_mask)):
                if widest == 0:
                    continue
                size = picture.shape[axis]
                width = rng.random() * min(widest, size)
                start = rng.random() * (size - width)
                picture.narrow(axis, int(start), int(width)).fill_(self.value)
        results['audio'] = picture
        return results
