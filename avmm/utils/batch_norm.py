"""Batch normalisation in a second forward pass of one step."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['frozen_statistics']


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Within, batch normalisation in training mode normalises with the batch and keeps its running statistics.

    The counters of batches still advance. For a second forward pass in one step, such as that of SAM.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
