"""Samples drawn in proportion to weights."""
from __future__ import annotations

import os
from collections.abc import Sequence, Sized

import numpy as np

from avmm.datasets.samplers.base import AVSampler
from avmm.datasets.samplers.labels import cat_ids_of, inverse_frequency_weights
from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError, DataError


@DATA_SAMPLERS.register_module()
class WeightedSampler(AVSampler):
    """Samples drawn in proportion to weights.

    Exactly one of ``weights`` and ``weight_file`` is given. A weight file has one number a line, in the order of the
    data set::

        1.423e+00
        8.130e-01

    Args:
        dataset: Anything with a length.
        weights: A weight for each sample, or ``'inverse_frequency'``: the sum over its labels of 1000 / (n + 0.01),
            n being how often the label occurs.
        weight_file: Text file of weights.
        seed: Seed of the order and of all augmentations.
        shuffle: Always random; False is refused.
        round_up: Whether every rank gets equally many.
        num_samples: Samples an epoch over all ranks. Defaults to the length of the data set.
        replacement: Whether a sample can be drawn twice in an epoch.
    """

    def __init__(self, dataset: Sized, weights: Sequence[float] | str | None = None, weight_file: str | None = None,
                 seed: int | None = None, shuffle: bool = True, round_up: bool = True, num_samples: int | None = None,
                 replacement: bool = True):
        super().__init__(dataset, seed=seed, shuffle=shuffle, round_up=round_up)
        if not shuffle:
            raise ConfigError('WeightedSampler draws at random; it cannot take shuffle=False')
        if (weights is None) == (weight_file is None):
            raise ConfigError('WeightedSampler needs either weights or weight_file, not both and not none')
        if num_samples is not None and num_samples < 1:
            raise ConfigError(f'num_samples must be at least 1, got {num_samples}')
        self._num_samples = num_samples
        self.replacement = replacement
        self.probabilities = self._normalise(weights, weight_file)
        usable = int((self.probabilities > 0).sum())
        if not replacement and self.num_samples > usable:
            raise ConfigError(f'cannot draw {self.num_samples} samples without replacement from {usable} with weight')

    @property
    def num_samples(self) -> int:
        """Samples of an epoch over all ranks, before rounding up."""
        return len(self.dataset) if self._num_samples is None else self._num_samples

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the whole epoch ``(num_samples,)``."""
        rng = self.order_rng(epoch)
        return rng.choice(len(self.dataset), self.num_samples, replace=self.replacement, p=self.probabilities)

    def _normalise(self, weights, weight_file: str | None) -> np.ndarray:
        source, error = ('weights', ConfigError) if weight_file is None else (weight_file, DataError)
        if weight_file is not None:
            weights = read_weights(weight_file)
        elif isinstance(weights, str):
            if weights != 'inverse_frequency':
                raise ConfigError(f"weights must be a sequence or 'inverse_frequency', got {weights!r}")
            weights = inverse_frequency_weights(cat_ids_of(self.dataset))
        values = np.asarray(weights, dtype=np.float64)
        if values.shape != (len(self.dataset), ):
            raise error(f'{source}: {values.size} weights for a data set of {len(self.dataset)} samples')
        if not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
            raise error(f'{source}: weights must be finite, 0 or more, and not all 0')
        return values / values.sum()


def read_weights(path: str | os.PathLike) -> list[float]:
    """Read a weight file, one number a line.

    Raises:
        DataError: If it is missing or a line is not a number.
    """
    if not os.path.isfile(path):
        raise DataError(f'{path}: the weight file is missing')
    weights = []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                weights.append(float(line))
            except ValueError:
                raise DataError(f'{path}:{number}: {line.strip()!r} is not a number') from None
    return weights
