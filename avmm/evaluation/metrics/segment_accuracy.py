"""How many segments have the right label."""
from __future__ import annotations

from avmm.evaluation.functional import segment_accuracy
from avmm.evaluation.metrics.base import Predictions, SegmentMetric
from avmm.registry import METRICS


@METRICS.register_module()
class SegmentAccuracy(SegmentMetric):
    """Accuracy of the labels of segments in per cent: ``segment_accuracy/joint``, and that of each modality alone.

    Every segment of every video counts the same, and background counts like any class: the measure of the AVE data set
    in both of its settings (Audio-Visual Event Localization in Unconstrained Videos, ECCV 2018).

    Args:
        **kwargs: Arguments of :class:`SegmentMetric`.

    Example:
        >>> val_evaluator = dict(type='SegmentAccuracy')
    """

    default_prefix = 'segment_accuracy'

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'joint': per cent, 'audio': per cent, ...}``."""
        return {name: segment_accuracy(*view, percent=True) for name, view in predictions.views().items()}
