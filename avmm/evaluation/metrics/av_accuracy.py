"""Top-k accuracy, joint and of each modality."""
from __future__ import annotations

from collections.abc import Sequence

from avmm.evaluation.functional import top_k_accuracy
from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.registry import METRICS
from avmm.utils import ConfigError


@METRICS.register_module()
class AVAccuracy(ScoreMetric):
    """Accuracy in per cent: ``accuracy/joint``, and ``accuracy/<modality>`` for each modality with scores of its own.

    Values of k above 1 have ``_top<k>`` behind the name, as in ``accuracy/joint_top5``.

    Args:
        topk: One k or several.
        **kwargs: Arguments of :class:`ScoreMetric`.

    Example:
        >>> val_evaluator = dict(type='AVAccuracy', topk=(1, 5))
    """

    default_prefix = 'accuracy'

    def __init__(self, topk: int | Sequence[int] = (1, ), **kwargs):
        super().__init__(**kwargs)
        self.topk = (topk, ) if isinstance(topk, int) else tuple(topk)
        if not self.topk or min(self.topk) < 1:
            raise ConfigError(f'AVAccuracy.topk must hold numbers from 1 on, got {topk!r}')

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'joint': per cent, 'joint_top5': per cent, 'audio': per cent, ...}``."""
        self.one_label(predictions)
        values = {}
        for name, (scores, labels) in predictions.views().items():
            for k, share in zip(self.topk, top_k_accuracy(scores, labels, self.topk), strict=True):
                values[name if k == 1 else f'{name}_top{k}'] = 100 * share
        return values
