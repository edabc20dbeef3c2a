"""The loss on unseen samples."""
from __future__ import annotations

import numpy as np

from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.registry import METRICS


@METRICS.register_module()
class CrossEntropyMetric(ScoreMetric):
    """Mean cross-entropy of the predictions, ``cross_entropy/joint`` and that of each modality with scores.

    It is computed from probabilities, so one sample counts at most about 87, where float32 ends.

    Args:
        **kwargs: Arguments of :class:`~avmm.evaluation.metrics.base.ScoreMetric`.

    Example:
        >>> val_evaluator = [dict(type='AVAccuracy'), dict(type='CrossEntropyMetric')]
    """

    default_prefix = 'cross_entropy'

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'joint': loss, modality: loss}``."""
        self.one_label(predictions)
        floor = np.finfo(np.float32).tiny
        return {name: float(-np.log(scores[np.arange(len(labels)), labels].clip(min=floor).astype(np.float64)).mean())
                for name, (scores, labels) in predictions.views().items()}
