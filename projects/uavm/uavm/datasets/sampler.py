"""Balanced sampling as UAVM does it."""
from __future__ import annotations

import numpy as np
import torch

from avmm.datasets.samplers import WeightedSampler
from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError


@DATA_SAMPLERS.register_module()
class UAVMWeightedSampler(WeightedSampler):
    """Draws with replacement as ``torch.utils.data.WeightedRandomSampler`` does from a generator with this seed.

    Epoch e is what that sampler gives in its e-th pass. One global sequence is drawn and dealt out to the ranks, so a
    run on many ranks sees the clips of a run on one.

    Args:
        dataset: Anything with a length.
        **kwargs: Arguments of :class:`~avmm.datasets.samplers.WeightedSampler`; always with replacement.
    """

    def __init__(self, dataset, **kwargs):
        super().__init__(dataset, **kwargs)
        if not self.replacement:
            raise ConfigError('UAVMWeightedSampler draws with replacement; use WeightedSampler for replacement=False')

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the whole epoch ``(num_samples,)``."""
        generator = torch.Generator().manual_seed(self.seed)
        weights = torch.from_numpy(self.probabilities)
        for _ in range(epoch + 1):
            drawn = torch.multinomial(weights, self.num_samples, True, generator=generator)
        return drawn.numpy()
