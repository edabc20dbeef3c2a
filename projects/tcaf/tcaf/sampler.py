"""Batches in which every class is equally likely."""
from __future__ import annotations

import numpy as np
import torch

from avmm.datasets.samplers.base import AVSampler
from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError


def class_weights(labels: np.ndarray, alpha: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Weights :math:`w_c = \alpha / C + (1 - \alpha)\, n_c / N` of the classes that occur.

    Args:
        labels: Class of every clip ``(N,)``.
        alpha: 1 for classes that are equally likely, 0 for clips that are.

    Returns:
        The weights ``(C,)``, the clips class by class ``(N,)``, and how many each class has ``(C,)``.
    """
    counts = np.unique(labels, return_counts=True)[1]
    weights = alpha / len(counts) + (1 - alpha) * counts / len(labels)
    return weights, np.argsort(labels, kind='stable'), counts


def clip_weights(labels: np.ndarray, alpha: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(N,)`` of the clips class by class, that of a class shared out evenly, and these clips ``(N,)``."""
    weights, clips, counts = class_weights(labels, alpha)
    return np.repeat(weights / counts, counts), clips


def fixed_counts(labels: np.ndarray, batch_size: int, alpha: float = 1.0) -> np.ndarray:
    """Clips of each class in a batch ``(C,)`` that always has the same: its weight of the batch, rounded.

    What rounding leaves over, or takes too much, goes to the first of the classes with most.

    Raises:
        ConfigError: If the batch is too small for that.
    """
    weights = class_weights(labels, alpha)[0]
    counts = np.array([round(w * batch_size) for w in weights], np.int64)
    counts[counts.argmax()] += batch_size - counts.sum()
    if counts.min() < 0:
        raise ConfigError(f'a batch of {batch_size} is too small to hold fixed shares of {len(weights)} classes')
    return counts


@DATA_SAMPLERS.register_module()
class GZSLSampler(AVSampler):
    """Batches drawn with replacement, every class equally likely: what AVCA and TCAF train on.

    An epoch is ``num_batches`` batches of ``batch_size``, whatever the size of the data set. The size is that of all
    ranks together: with R of them, ``batch_size / R`` in the data loader gives the same updates. An epoch is one
    sequence of draws as with every other sampler of AVMM, so runs resume in the middle of it.

    Args:
        dataset: A data set with ``labels`` ``(N,)``.
        num_batches: Batches of an epoch.
        batch_size: Clips of a batch, over all ranks.
        alpha: 1 for classes that are equally likely, 0 for clips that are; see :func:`class_weights`.
        variant: ``'multinomial'``: independent draws. ``'fixed'``: every batch has the same number of clips of a
            class, which come in turn from a shuffled list that begins anew at its end.
        draws: ``'own'``, from (seed, epoch); ``'global'``, from torch's global stream as in the published program
            (multinomial only; a resumed run draws others, and ranks need the same stream).
        seed: Seed of the order and of all augmentations.
        shuffle: Always random; False is refused.
        round_up: Whether every rank gets equally many.

    Raises:
        ConfigError: If an option makes no sense.
    """

    def __init__(self, dataset, num_batches: int = 300, batch_size: int = 64, alpha: float = 1.0,
                 variant: str = 'multinomial', draws: str = 'own', seed: int | None = None, shuffle: bool = True,
                 round_up: bool = True):
        super().__init__(dataset, seed=seed, shuffle=shuffle, round_up=round_up)
        if not shuffle:
            raise ConfigError('GZSLSampler draws at random; it cannot take shuffle=False')
        if num_batches < 1 or batch_size < 1 or not 0 <= alpha <= 1:
            raise ConfigError('num_batches and batch_size must be at least 1, and alpha 0 to 1; got '
                              f'{num_batches}, {batch_size}, {alpha}')
        if variant not in ('multinomial', 'fixed') or draws not in ('own', 'global'):
            raise ConfigError("variant is 'multinomial' or 'fixed', draws 'own' or 'global'; got "
                              f'{variant!r}, {draws!r}')
        if variant == 'fixed' and draws == 'global':
            raise ConfigError("draws='global' goes with variant='multinomial' alone")
        self.num_batches, self.batch_size, self.variant, self.draws = num_batches, batch_size, variant, draws
        labels = np.asarray(dataset.labels)
        self.weights, self.clips = clip_weights(labels, alpha)
        self._members = np.split(self.clips, np.cumsum(class_weights(labels)[2])[:-1])
        self.counts = fixed_counts(labels, batch_size, alpha) if variant == 'fixed' else None

    @property
    def num_samples(self) -> int:
        """Samples of an epoch over all ranks."""
        return self.num_batches * self.batch_size

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the whole epoch ``(num_batches * batch_size,)``."""
        rng = self.order_rng(epoch)
        if self.variant == 'fixed':
            return self._fixed_order(rng)
        if self.draws == 'global':
            weights = torch.from_numpy(self.weights)
            drawn = [torch.multinomial(weights, self.batch_size, replacement=True) for _ in range(self.num_batches)]
            return self.clips[torch.cat(drawn).numpy()]
        # By the inverse of the distribution function; rounding may leave its end below 1.
        edges = np.cumsum(self.weights)
        drawn = np.searchsorted(edges, rng.random(self.num_samples) * edges[-1], side='right')
        return self.clips[np.minimum(drawn, len(edges) - 1)]

    def _fixed_order(self, rng: np.random.Generator) -> np.ndarray:
        columns = []
        for members, count in zip(self._members, self.counts.tolist(), strict=True):
            turns = -(-count * self.num_batches // len(members))
            shuffled = [rng.permutation(members) for _ in range(turns)]
            if turns:
                columns.append(np.concatenate(shuffled)[:count * self.num_batches].reshape(self.num_batches, count))
        return rng.permuted(np.concatenate(columns, axis=1), axis=1).reshape(-1)
