"""The order in which samples are drawn, and the randomness that each draw carries."""
from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np
from mmengine import dist
from torch.utils.data import Sampler

from avmm.utils import ConfigError

# Last word of the entropy of an order: sample generators use three words, so the streams never meet.
_ORDER_STREAM = 1


class SampleIndex(int):
    """An index of a data set that knows which draw it is.

    It is an ``int`` to everything that does not care, and crosses process borders whole. Sums, differences and
    remainders stay the same draw, since data sets of data sets (``ConcatDataset``, ``RepeatDataset``) compute their
    inner indices with them.

    Args:
        index: Index of the sample in the data set.
        seed: Seed of the sampler.
        epoch: Epoch of the draw.
        position: Place in the epoch, counted over all ranks.

    Example:
        >>> draw = SampleIndex(7, seed=1, epoch=2, position=3)
        >>> draw - 5, (draw - 5).epoch
        (2, 2)
    """

    seed: int
    epoch: int
    position: int

    def __new__(cls, index: int, seed: int = 0, epoch: int = 0, position: int = 0) -> SampleIndex:
        draw = super().__new__(cls, index)
        draw.seed, draw.epoch, draw.position = seed, epoch, position
        return draw

    def _same_draw(self, index: int) -> SampleIndex:
        return SampleIndex(index, self.seed, self.epoch, self.position)

    def __add__(self, other: int) -> SampleIndex:
        return self._same_draw(int(self) + int(other))

    def __sub__(self, other: int) -> SampleIndex:
        return self._same_draw(int(self) - int(other))

    def __mod__(self, other: int) -> SampleIndex:
        return self._same_draw(int(self) % int(other))

    def __reduce__(self):
        return SampleIndex, (int(self), self.seed, self.epoch, self.position)


def sample_rng(index: int) -> np.random.Generator:
    """The generator of one draw: seeded by ``(seed, epoch, position)``, or by ``(0, 0, index)`` for a plain int."""
    words = (index.seed, index.epoch, index.position) if isinstance(index, SampleIndex) else (0, 0, int(index))
    if max(words) < 2 ** 32:
        # NumPy would turn each number into such an array by itself, which takes longer.
        return np.random.default_rng(np.array(words, np.uint32))
    return np.random.default_rng(words)


class AVSampler(Sampler):
    """Base of all samplers: one global sequence an epoch, dealt to the ranks in turn.

    A subclass overrides :meth:`order` and, where it draws more or fewer samples than the data set has,
    :attr:`num_samples`.

    Args:
        dataset: Anything with a length.
        seed: Seed of the order and of all augmentations, the same on every rank. None draws one and shares it.
        shuffle: Whether the order is random.
        round_up: Whether the sequence is lengthened, from its own beginning, until every rank gets equally many.
    """

    def __init__(self, dataset: Sized, seed: int | None = None, shuffle: bool = True, round_up: bool = True):
        self.dataset = dataset
        self.seed = int(dist.sync_random_seed() if seed is None else seed)
        if self.seed < 0:
            raise ConfigError(f'the seed of a sampler must be 0 or more, got {self.seed}')
        self.shuffle = shuffle
        self.round_up = round_up
        self.epoch = 0
        self.rank, self.world_size = dist.get_dist_info()
        self._to_skip = 0

    @property
    def num_samples(self) -> int:
        """Samples of an epoch over all ranks, before rounding up."""
        return len(self.dataset)

    @property
    def total_size(self) -> int:
        """Samples of an epoch over all ranks, after rounding up."""
        if self.round_up:
            return math.ceil(self.num_samples / self.world_size) * self.world_size
        return self.num_samples

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the whole epoch ``(num_samples,)``, the same on every rank."""
        if self.shuffle:
            return self.order_rng(epoch).permutation(len(self.dataset))
        return np.arange(len(self.dataset))

    def order_rng(self, epoch: int) -> np.random.Generator:
        """The generator that :meth:`order` draws from."""
        return np.random.default_rng((self.seed, epoch, 0, _ORDER_STREAM))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = int(epoch)

    def skip(self, n: int) -> None:
        """Leave out the first ``n`` samples of this rank in the next iteration, and in that one only.

        A resumed run gets to its place in the epoch this way, without reading any data.
        """
        if not 0 <= n <= len(self):
            raise ConfigError(f'cannot skip {n} of the {len(self)} samples of an epoch')
        self._to_skip = int(n)

    def __iter__(self) -> Iterator[SampleIndex]:
        order, skipped = self.order(self.epoch), self._to_skip
        self._to_skip = 0
        if len(order) == 0:
            return
        epoch = self.epoch
        first = self.rank + skipped * self.world_size
        for position in range(first, self.total_size, self.world_size):
            yield SampleIndex(order[position % len(order)], self.seed, epoch, position)

    def __len__(self) -> int:
        """Samples of this rank in an epoch."""
        return len(range(self.rank, self.total_size, self.world_size))
