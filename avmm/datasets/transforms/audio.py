"""Length and range of a waveform."""
from __future__ import annotations

import torch

from avmm.datasets.transforms.base import AVTransform, clip_name
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError, DataError


@TRANSFORMS.register_module()
class CropOrRepeatAudio(AVTransform):
    """Repeat a waveform and bring it to a length.

    ``repeat=3, length=66150`` is the rule of CREMA-D and Kinetics-Sounds: three times the clip, then the first three
    seconds at 22,050 Hz.

    Required Keys:

    - audio (``(channels, L)``)
    - rng, for ``crop='random'``

    Modified Keys:

    - audio (``(channels, length)``)

    Args:
        length: Samples wanted. None keeps the length after repeating.
        repeat: How often the clip is played before it is cut.
        crop: Part to keep of a longer clip: ``'start'``, ``'center'`` or ``'random'``.
        short: What to do with a clip that is still shorter: ``'pad'`` with zeros at the end, ``'repeat'`` until it is
            long enough, ``'keep'`` as it is, or raise an ``'error'``.
    """

    def __init__(self, length: int | None = None, repeat: int = 1, crop: str = 'start', short: str = 'pad'):
        if length is not None and length < 1:
            raise ConfigError(f'length must be at least 1 sample, got {length}')
        if repeat < 1:
            raise ConfigError(f'repeat must be at least 1, got {repeat}')
        if crop not in ('start', 'center', 'random'):
            raise ConfigError(f"crop must be 'start', 'center' or 'random', got {crop!r}")
        if short not in ('pad', 'repeat', 'keep', 'error'):
            raise ConfigError(f"short must be 'pad', 'repeat', 'keep' or 'error', got {short!r}")
        self.length = length
        self.repeat = repeat
        self.crop = crop
        self.short = short

    @property
    def random(self) -> bool:
        """Whether two draws can differ."""
        return self.crop == 'random'

    def transform(self, results: dict) -> dict:
        """Repeat, then cut or lengthen."""
        if 'audio' not in results:
            return results
        audio = results['audio']
        if self.length is None:
            results['audio'] = audio.repeat(1, self.repeat)
            return results
        have, asked = audio.shape[-1] * self.repeat, self.length
        if have >= asked:
            start = self._start(have - asked, results)
            turns = -(-(start + asked) // audio.shape[-1])
            results['audio'] = audio.repeat(1, turns)[:, start:start + asked] if turns > 1 \
                else audio[:, start:start + asked]
        elif self.short == 'error':
            raise DataError(f'{clip_name(results)}: the sound is too short, {have} of {asked} samples'
                            + (f' after {self.repeat} repeats' if self.repeat > 1 else ''))
        else:
            results['audio'] = self._lengthen(audio, asked)
        return results

    def _start(self, spare: int, results: dict) -> int:
        if self.crop == 'random':
            return int(results['rng'].integers(spare + 1))
        return spare // 2 if self.crop == 'center' else 0

    def _lengthen(self, audio: torch.Tensor, asked: int) -> torch.Tensor:
        if self.short == 'repeat':
            return audio.repeat(1, -(-asked // audio.shape[-1]))[:, :asked]
        audio = audio.repeat(1, self.repeat)
        if self.short == 'pad':
            audio = torch.nn.functional.pad(audio, (0, asked - audio.shape[-1]))
        return audio


@TRANSFORMS.register_module()
class ClampAudio(AVTransform):
    """Limit a waveform to a range.

    Modified Keys:

    - audio (``(channels, L)``)

    Args:
        low: Smallest value.
        high: Largest value.
    """

    def __init__(self, low: float = -1.0, high: float = 1.0):
        if low >= high:
            raise ConfigError(f'low must be below high, got {low} and {high}')
        self.low = low
        self.high = high

    def transform(self, results: dict) -> dict:
        """Clamp the waveform."""
        if 'audio' in results:
            results['audio'] = results['audio'].clamp(self.low, self.high)
        return results
