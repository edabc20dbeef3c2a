"""The coefficient of inverse effectiveness on unseen samples."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_world_size

from avmm.balancing import inverse_coefficient
from avmm.evaluation.metrics.base import JOINT, Predictions, ScoreMetric
from avmm.evaluation.metrics.table import Table
from avmm.registry import METRICS


@METRICS.register_module()
class InverseCoefficient(ScoreMetric):
    """``xi`` of the first, the middle and the last batch of the data set: ``inverse/first``, ``middle`` and ``last``.

    What :class:`~avmm.balancing.InverseEffectiveness` would do there; nothing is scaled. The middle one of n batches
    is number ``n // 2``, counted from 0.

    Args:
        gamma: Strength of the coefficient.
        batch_size: Samples a batch, over all ranks; that of the data loader by default.
        **kwargs: Arguments of :class:`~avmm.evaluation.metrics.base.ScoreMetric`.

    Example:
        >>> val_evaluator = [dict(type='AVAccuracy'), dict(type='InverseCoefficient', gamma=1.0)]
    """

    default_prefix = 'inverse'

    def __init__(self, gamma: float = 1.0, batch_size: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.gamma, self.batch_size = gamma, batch_size
        self._largest = 0

    def collect(self, samples: Sequence[dict]) -> Table:
        """The scores of a batch."""
        self._largest = max(self._largest, len(samples))
        return super().collect(samples)

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'first': xi, 'middle': xi, 'last': xi}``."""
        self.one_label(predictions)
        labels = predictions.labels
        names = [name for name in predictions.scores if name != JOINT] + [JOINT]
        chosen = np.stack([predictions.scores[name][np.arange(len(labels)), labels] for name in names])
        size = self.batch_size or self._largest * get_world_size()
        starts = range(0, len(labels), size)
        return {key: float(inverse_coefficient(torch.from_numpy(chosen[:, start:start + size]).sum(1), self.gamma))
                for key, start in zip(('first', 'middle', 'last'), (starts[0], starts[len(starts) // 2], starts[-1]),
                                      strict=True)}
