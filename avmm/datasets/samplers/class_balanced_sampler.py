"""Every class equally often."""
from __future__ import annotations

import math
from collections.abc import Sized

import numpy as np

from avmm.datasets.samplers.base import AVSampler
from avmm.datasets.samplers.labels import cat_ids_of
from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError


@DATA_SAMPLERS.register_module()
class ClassBalancedSampler(AVSampler):
    """Every class equally often: round after round, one sample of each class.

    No sample of a class comes again before all others of that class have come. A multi-label sample belongs to
    each of its classes.

    Args:
        dataset: A data set with ``labels`` or ``get_cat_ids``.
        seed: Seed of the order and of all augmentations.
        shuffle: Whether the order is random.
        round_up: Whether every rank gets equally many.
        num_samples: Samples an epoch over all ranks. Defaults to the length of the data set.
    """

    def __init__(self, dataset: Sized, seed: int | None = None, shuffle: bool = True, round_up: bool = True,
                 num_samples: int | None = None):
        super().__init__(dataset, seed=seed, shuffle=shuffle, round_up=round_up)
        if num_samples is not None and num_samples < 1:
            raise ConfigError(f'num_samples must be at least 1, got {num_samples}')
        self._num_samples = num_samples
        cat_ids = cat_ids_of(dataset)
        members: dict[int, list[int]] = {}
        for index, ids in enumerate(cat_ids):
            for label in ids:
                members.setdefault(label, []).append(index)
        self._members = [np.array(members[label]) for label in sorted(members)]
        if not self._members:
            raise ConfigError('no sample has a label, so classes cannot be balanced')

    @property
    def num_samples(self) -> int:
        """Samples of an epoch over all ranks, before rounding up."""
        return len(self.dataset) if self._num_samples is None else self._num_samples

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the whole epoch ``(num_samples,)``."""
        rng = self.order_rng(epoch)
        rounds = math.ceil(self.num_samples / len(self._members))
        columns = []
        for members in self._members:
            turns = math.ceil(rounds / len(members))
            parts = [rng.permutation(members) if self.shuffle else members for _ in range(turns)]
            columns.append(np.concatenate(parts)[:rounds])
        table = np.stack(columns, axis=1)
        if self.shuffle:
            table = rng.permuted(table, axis=1)
        return table.reshape(-1)[:self.num_samples]
