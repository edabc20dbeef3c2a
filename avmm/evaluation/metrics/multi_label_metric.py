"""Mean average precision, area under the ROC curve and d-prime."""
from __future__ import annotations

import numpy as np

from avmm.evaluation.functional import d_prime, ranking_scores
from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.registry import METRICS


@METRICS.register_module()
class MultiLabelMetric(ScoreMetric):
    """How well the scores rank the samples of each class, averaged over the classes.

    ``mAP/<name>`` is the mean average precision in per cent (scikit-learn's macro average: a class without positives
    counts as 0), ``AUC/<name>`` the mean area under the ROC curve in 0 to 1 over the classes that have positives and
    negatives, ``d_prime/<name>`` the d-prime of that mean; joint and of each modality. Samples may have one class or
    several.

    Args:
        **kwargs: Arguments of :class:`ScoreMetric`.
    """

    # The three values have names of their own; an empty prefix adds none.
    default_prefix = ''

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'mAP/joint': per cent, 'AUC/joint': area, 'd_prime/joint': distance, ...}``."""
        values = {}
        for name, (scores, truth) in predictions.views().items():
            precision, area = ranking_scores(scores, truth)
            values[f'mAP/{name}'] = 100 * float(precision.mean())
            area = area[~np.isnan(area)]
            if len(area):
                values[f'AUC/{name}'] = float(area.mean())
                values[f'd_prime/{name}'] = d_prime(area.mean())
        return values
