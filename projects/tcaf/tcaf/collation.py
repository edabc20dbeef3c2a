"""Sequences of unequal length in one batch: how long it becomes, what is cropped and what is padded."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from avmm.datasets.feature_store import StoredArray
from avmm.utils import ConfigError

#: Seconds of a step: 16 frames at 25 Hz, and one patch of VGGish.
RATES = {'audio': 0.96, 'visual': 16 / 25}


@dataclass(frozen=True)
class Window:
    """The part of every clip that a batch takes.

    Attributes:
        length: Steps of the batch, ``{modality: L}``.
        starts: First step of each clip that is taken, ``{modality: (B,)}``.
        kept: Steps of each clip that are taken, ``{modality: (B,)}``; what is missing to L is padding.
    """
    length: dict[str, int]
    starts: dict[str, np.ndarray]
    kept: dict[str, np.ndarray]

    def mask(self, modality: str) -> np.ndarray:
        """1 where there is a step and 0 where there is padding, ``(B, L)`` float32."""
        return (np.arange(self.length[modality]) < self.kept[modality][:, None]).astype(np.float32)


@dataclass(frozen=True)
class Collation:
    """Rule of the windows.

    ``'max'`` takes everything: a batch is as long as its longest clip, in each modality. ``'fixed'`` takes
    ``max_len`` steps of the frames, from a random place or from the middle, and the sound from the same time on.

    Some habits of the published program (Mercea et al., ECCV 2022) are kept, since its results rest on them. The last
    possible start is never drawn. Sound is cut from its beginning where the frames are not cut. Times begin at 0
    after cropping too. And the fixed length of the sound is :math:`\\mathrm{round}(L\\,r_v\\,r_a)` with the rates
    :math:`r` in s: for 60 steps of frames 37 of sound, where 40 last as long.

    Attributes:
        mode: ``'max'`` or ``'fixed'``.
        max_len: Steps of the frames in ``'fixed'``.
        trim: ``'random'`` or ``'center'``.
        rates: Seconds of a step, ``{modality: s}``; 1 in both for SeLaVi.
        audio_length: ``'product'``, or ``'ratio'`` for a sound as long as the frames, :math:`L\\,r_v / r_a`.

    Raises:
        ConfigError: If a value makes no sense.
    """
    mode: str = 'max'
    max_len: int = 60
    trim: str = 'random'
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))
    audio_length: str = 'product'

    def __post_init__(self):
        for name, allowed in (('mode', ('max', 'fixed')), ('trim', ('random', 'center')),
                              ('audio_length', ('product', 'ratio'))):
            if getattr(self, name) not in allowed:
                raise ConfigError(f'{name} must be one of {", ".join(allowed)}, got {getattr(self, name)!r}')
        if self.max_len < 1 or set(self.rates) != set(RATES) or min(self.rates.values()) <= 0:
            raise ConfigError('max_len must be at least 1, and rates a number above 0 for audio and for visual; got '
                              f'{self.max_len} and {dict(self.rates)}')

    @property
    def fixed_audio_length(self) -> int:
        """Steps of the sound in ``'fixed'``."""
        audio, visual = self.rates['audio'], self.rates['visual']
        return max(1, round(self.max_len * visual * audio if self.audio_length == 'product'
                            else self.max_len * visual / audio))

    def window(self, audio: np.ndarray, visual: np.ndarray, draw: Callable[[int, int], int]) -> Window:
        """The window of a batch.

        Args:
            audio: Steps of the sound of each clip ``(B,)``.
            visual: Steps of the frames of each clip ``(B,)``.
            draw: ``draw(i, n)`` gives clip i a random number from 0 to n - 1; called in the order of the batch, for
                clips that are cropped at random.
        """
        fixed = self.mode == 'fixed'
        length = dict(audio=self.fixed_audio_length if fixed else int(audio.max()),
                      visual=self.max_len if fixed else int(visual.max()))
        spare = visual - length['visual']
        if self.trim == 'center':
            starts = np.maximum(spare, 0) // 2
        else:
            starts = np.array([draw(i, int(d)) if d > 0 else 0 for i, d in enumerate(spare)], np.int64)
        # To the step of the sound that is nearest in time, an even one of two.
        matching = np.rint(starts * self.rates['visual'] / self.rates['audio']).astype(np.int64)
        return Window(length, dict(audio=np.clip(audio - length['audio'], 0, matching), visual=starts),
                      dict(audio=np.minimum(audio, length['audio']), visual=np.minimum(visual, length['visual'])))

    def times(self, modality: str, length: int) -> np.ndarray:
        """Times of the steps ``(L,)`` in s, float64."""
        return np.arange(length) * float(self.rates[modality])


def read_padded(array: StoredArray, items: np.ndarray, starts: np.ndarray, kept: np.ndarray, out: Tensor) -> None:
    """Read windows of sequences straight to their places in a batch, and fill the rest with zeros.

    Args:
        array: Sequences of a store.
        items: Which ones ``(B,)``.
        starts: First step of each ``(B,)``.
        kept: Number of steps of each ``(B,)``.
        out: The batch ``(B, L, D)``.
    """
    batch, length, channels = out.shape
    flat, steps = out.view(batch * length, channels), np.arange(int(kept.sum()))
    within = steps - np.repeat(np.cumsum(kept) - kept, kept)
    rows = np.repeat(array.offsets[items] + starts, kept) + within
    places = np.repeat(np.arange(batch) * length, kept) + within
    values = flat.numpy()
    if array.dtype == values.dtype:
        array.rows.gather(rows, flat, places=places)
    elif array.dtype == np.float16:
        # Widened by torch, which uses the processor's own instruction.
        flat[torch.from_numpy(places)] = torch.from_numpy(array.rows.gather(rows)).to(out.dtype)
    else:
        values[places] = array.rows.gather(rows)
    for row, number in enumerate(kept.tolist()):
        if number < length:
            values[row * length + number:(row + 1) * length] = 0
