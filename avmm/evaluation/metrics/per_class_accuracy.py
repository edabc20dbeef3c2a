"""How well each class is recognised."""
from __future__ import annotations

import numpy as np

from avmm.evaluation.functional import confusion_matrix, macro_f1, mean_class_accuracy, per_class_accuracy
from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.registry import METRICS


@METRICS.register_module()
class PerClassAccuracy(ScoreMetric):
    """Accuracy of each class (its recall) in per cent, joint and of each modality.

    ``per_class/<name>`` is the mean over the classes, each counting the same however many samples it has;
    ``per_class/<name>_f1`` the macro F1 in per cent; and ``per_class/<name>/<class>`` the accuracy of one class.
    Classes without samples are left out.

    Args:
        details: Whether to report every class besides the means.
        **kwargs: Arguments of :class:`ScoreMetric`.
    """

    default_prefix = 'per_class'

    def __init__(self, details: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.details = details

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'joint': per cent, 'joint_f1': per cent, 'joint/dog': per cent, ...}``."""
        self.one_label(predictions)
        classes = (self.dataset_meta or {}).get('classes') or ()
        values = {}
        for name, (scores, labels) in predictions.views().items():
            matrix = confusion_matrix(scores, labels)
            values[name] = 100 * mean_class_accuracy(matrix)
            values[f'{name}_f1'] = 100 * macro_f1(matrix)
            if self.details:
                for i, share in enumerate(per_class_accuracy(matrix)):
                    if not np.isnan(share):
                        values[f'{name}/{classes[i] if i < len(classes) else i}'] = 100 * float(share)
        return values
