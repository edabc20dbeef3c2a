"""Where the random choices of a clip come from."""
from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from avmm.utils import ConfigError

RANDOMNESS = ('draw', 'global')


class GlobalStreams:
    """The global generators of Python, NumPy and torch, in the order in which the reference program draws.

    With one process and one seed for each, a data set then gives the very items of the reference.
    """

    def chance(self) -> float:
        """A number in [0, 1) that decides whether a clip is mixed."""
        return random.random()

    def partner(self, count: int) -> int:
        """The other clip, any of ``count``."""
        return random.randint(0, count - 1)

    def weight(self) -> float:
        """Share of the first clip, Beta(10, 10)."""
        return float(np.random.beta(10, 10))

    def shift(self, width: int) -> int:
        """Steps to roll, from ``-width`` to ``width - 1``."""
        return int(np.random.randint(-width, width))

    def level(self) -> float:
        """Strength of the noise in [0, 1)."""
        return float(np.random.rand())

    def unit(self) -> float:
        """Width or place of a mask in [0, 1)."""
        return float(torch.rand(1))

    def noise(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform noise in [0, 1)."""
        return torch.rand(shape)


class DrawStreams(GlobalStreams):
    """The same choices from the generator of one draw of a sampler: independent of workers, the same after a resume.

    Args:
        rng: The generator, see :func:`~avmm.datasets.samplers.base.sample_rng`.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng

    def chance(self) -> float:
        return self.rng.random()

    def partner(self, count: int) -> int:
        return int(self.rng.integers(count))

    def weight(self) -> float:
        return float(self.rng.beta(10, 10))

    def shift(self, width: int) -> int:
        return int(self.rng.integers(-width, width))

    def level(self) -> float:
        return self.rng.random()

    def unit(self) -> float:
        return self.rng.random()

    def noise(self, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(self.rng.random(shape, dtype=np.float32))


def check_randomness(value: str) -> str:
    """Return ``value`` if it names a source of randomness.

    Raises:
        ConfigError: If it does not.
    """
    if value not in RANDOMNESS:
        raise ConfigError(f'randomness must be one of {", ".join(RANDOMNESS)}, got {value!r}')
    return value
