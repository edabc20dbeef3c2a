"""Random choices of a batch: where a clip is cropped, and which clip of another class stands against it."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from avmm.datasets.samplers.base import sample_rng
from avmm.utils import DataError

#: Seed of the pairs of validation and test (Parida et al., WACV 2020, and what builds on it).
PAIR_SEED = 29


class OwnDraws:
    """Numbers that each sample draws from a generator of its own, seeded by (seed, epoch, position).

    Args:
        indices: Indices of the samples; those of a sampler carry the seed.
    """

    def __init__(self, indices: Sequence[int]):
        self._indices = indices
        self._rngs: dict[int, np.random.Generator] = {}

    def _rng(self, sample: int) -> np.random.Generator:
        if sample not in self._rngs:
            self._rngs[sample] = sample_rng(self._indices[sample])
        return self._rngs[sample]

    def crop(self, sample: int, count: int) -> int:
        """First step of a crop, below ``count``."""
        return int(self._rng(sample).integers(count))

    choose = crop


class GlobalDraws:
    """Numbers from the global streams of torch (crops) and NumPy (pairs), as the published program draws them.

    For comparison with it only: results depend on the number of workers.
    """

    def __init__(self, indices: Sequence[int] = ()):
        pass

    def crop(self, sample: int, count: int) -> int:
        """First step of a crop, below ``count``."""
        return int(torch.randint(count, (1, )))

    def choose(self, sample: int, count: int) -> int:
        """One of ``count`` things."""
        return int(np.random.choice(count))


class NegativePairs:
    """Gives every clip one of another class: first a class, then a clip of it, each evenly.

    In training the pairs are drawn anew every time. In evaluation each clip keeps its partner.

    Args:
        labels: Class of every clip ``(N,)``.
        fixed: Whether pairs are kept.
        global_streams: Draw as the published program does, from NumPy's global stream. It also draws, and drops,
            another clip of the same class before each pair in training.

    Raises:
        DataError: If there is one class only.
    """

    def __init__(self, labels: np.ndarray, fixed: bool, global_streams: bool = False):
        self.classes, self._place = np.unique(labels, return_inverse=True)
        if len(self.classes) < 2:
            raise DataError('negatives are clips of another class, and there is one class only')
        self._members = [np.flatnonzero(self._place == place) for place in range(len(self.classes))]
        self._global = global_streams
        self._fixed = self._draw_fixed() if fixed else None

    def _draw_fixed(self) -> np.ndarray:
        clips = np.random.RandomState(PAIR_SEED)
        classes = np.random if self._global else np.random.RandomState(PAIR_SEED + 1)
        return np.array([clips.choice(self._others(place, classes.choice(len(self.classes) - 1)))
                         for place in self._place])

    def _others(self, place: int, number: int) -> np.ndarray:
        """Clips of class ``number`` of those that are left without the one at ``place``."""
        return self._members[number + (number >= place)]

    def partners(self, indices: np.ndarray, draws: OwnDraws | GlobalDraws) -> np.ndarray:
        """A partner for each of ``indices`` ``(B,)``."""
        if self._fixed is not None:
            return self._fixed[indices]
        return np.array([self._draw(i, index, draws) for i, index in enumerate(indices.tolist())], np.int64)

    def _draw(self, sample: int, index: int, draws: OwnDraws | GlobalDraws) -> int:
        place = self._place[index]
        own = self._members[place]
        if self._global and len(own) > 1:
            while own[draws.choose(sample, len(own))] == index:
                pass
        others = self._others(place, draws.choose(sample, len(self.classes) - 1))
        return int(others[draws.choose(sample, len(others))])
