"""How well the segments of each class are recognised."""
from __future__ import annotations

import numpy as np

from avmm.evaluation.functional import class_segment_accuracy
from avmm.evaluation.metrics.base import Predictions, SegmentMetric
from avmm.registry import METRICS


@METRICS.register_module()
class PerClassSegmentAccuracy(SegmentMetric):
    """Share of the segments of each class with the right label, in per cent, joint and of each modality alone.

    ``per_class_segment/<name>`` is the mean over the classes, background included, each counting the same however
    many segments it has; ``per_class_segment/<name>/<class>`` the value of one class. Classes without segments are
    left out.

    Args:
        details: Whether to report every class besides the mean.
        **kwargs: Arguments of :class:`SegmentMetric`.
    """

    default_prefix = 'per_class_segment'

    def __init__(self, details: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.details = details

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'joint': per cent, 'joint/Bark': per cent, ...}``."""
        classes = self.classes(predictions)
        values = {}
        for name, view in predictions.views().items():
            shares = 100 * class_segment_accuracy(*view, num_classes=len(classes))
            values[name] = float(np.nanmean(shares))
            if self.details:
                values.update((f'{name}/{classes[i]}', float(shares[i])) for i in np.flatnonzero(~np.isnan(shares)))
        return values
