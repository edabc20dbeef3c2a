"""Every sample once an epoch."""
from __future__ import annotations

from avmm.datasets.samplers.base import AVSampler
from avmm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class DefaultSampler(AVSampler):
    """Every sample once an epoch, shuffled or in order.

    It takes the place of mmengine's sampler of that name: the same arguments, but its indices carry the randomness of
    their draw, and it can skip to any place of the epoch.
    """
