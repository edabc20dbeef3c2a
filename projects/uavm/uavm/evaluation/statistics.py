"""The numbers that UAVM logs of an epoch: average precision, area under the ROC curve, d-prime, accuracy."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from avmm.evaluation.functional import d_prime, ranking_scores
from avmm.evaluation.functional.arrays import Array, as_scores, as_targets
from avmm.utils import ConfigError

#: Every how many points of a curve one is kept in the published files.
CURVE_STEP = 1000


@dataclass(frozen=True)
class ClassStatistics:
    """Statistics of one matrix of scores.

    Attributes:
        AP: Average precision of each class ``(C,)``.
        AUC: Area under the ROC curve of each class ``(C,)``; NaN without positives or without negatives.
        acc: Share of samples whose largest score is at their largest target.
    """
    AP: np.ndarray
    AUC: np.ndarray
    acc: float

    @property
    def mAP(self) -> float:
        """Mean average precision over all classes."""
        return float(self.AP.mean())

    @property
    def mAUC(self) -> float:
        """Mean area over the classes that have one; NaN if none has."""
        there = self.AUC[~np.isnan(self.AUC)]
        return float(there.mean()) if len(there) else math.nan

    @property
    def dprime(self) -> float:
        """The d-prime of the mean area."""
        return d_prime(self.mAUC)


def class_statistics(scores: Array, targets: Array) -> ClassStatistics:
    """Statistics of UAVM (Gong et al., 2022) and of PSLA before it, from one sort for each class.

    The values, ties included, are those of scikit-learn's ``average_precision_score`` and ``roc_auc_score``.

    Args:
        scores: ``(N, C)``, logits or probabilities.
        targets: Class indices ``(N,)`` or multi-hot targets ``(N, C)``.
    """
    scores = as_scores(scores)
    targets = as_targets(targets, scores.shape)
    precision, area = ranking_scores(scores, targets)
    return ClassStatistics(precision, area, float((scores.argmax(1) == targets.argmax(1)).mean()))


def middle_points(scores: Array, targets: Array, curves: str = 'whole') -> tuple[np.ndarray, np.ndarray]:
    """The "middle" precision and recall of each class, as the published logs of the extractor have them.

    Of the precision-recall curve every 1000th point is kept, from the lowest threshold on, and of these the one in the
    middle is the value: for few samples simply that of the lowest threshold.

    Args:
        scores: ``(N, C)``.
        targets: Class indices ``(N,)`` or multi-hot targets ``(N, C)``.
        curves: ``'whole'`` for curves over all thresholds, as scikit-learn draws them since 1.1; ``'cut'`` for those
            of earlier releases, which begin at the highest threshold that finds every positive.

    Returns:
        Precision ``(C,)`` and recall ``(C,)``.

    Raises:
        ConfigError: If there is no such kind of curve.
    """
    if curves not in ('whole', 'cut'):
        raise ConfigError(f"curves must be 'whole' or 'cut', got {curves!r}")
    scores = as_scores(scores)
    targets = as_targets(targets, scores.shape)
    found = [_middle_point(own, hit, curves) for own, hit in
             zip(np.ascontiguousarray(scores.T), np.ascontiguousarray(targets.T), strict=True)]
    return np.array([p for p, _ in found]), np.array([r for _, r in found])


def _middle_point(scores: np.ndarray, hits: np.ndarray, curves: str) -> tuple[float, float]:
    own = scores[hits]
    everyone = np.sort(scores)
    # Where the distinct thresholds begin among all scores.
    starts = np.flatnonzero(np.concatenate([[True], everyone[1:] != everyone[:-1]]))
    if curves == 'cut' and len(own):
        starts = starts[np.searchsorted(everyone[starts], own.min()):]
    # The curve has a point for each threshold, and a last one of precision 1 and recall 0.
    kept = len(range(0, len(starts) + 1, CURVE_STEP))
    middle = kept // 2 * CURVE_STEP
    if middle == len(starts):
        return 1.0, 0.0
    found = int((own >= everyone[starts[middle]]).sum())
    return found / (len(scores) - int(starts[middle])), found / len(own) if len(own) else 1.0
