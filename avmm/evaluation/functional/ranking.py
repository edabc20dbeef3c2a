"""Measures of how well scores rank the samples of a class: average precision, area under the ROC curve, d-prime.

A class is ranked by sorting its scores once, as plain values, and looking up the places of its positives among them.
That takes no permutation of samples, is exact with ties, and is fast because a class has few positives.
"""
from __future__ import annotations

import math

import numpy as np

from avmm.evaluation.functional.arrays import Array, as_scores, as_targets


def ranking_scores(scores: Array, targets: Array) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and area under the ROC curve of each class, from one sort.

    With ``TP(t)`` and ``N(t)`` the positives and the samples that score ``t`` or more, the average precision is the
    mean of ``TP(t) / N(t)`` over the positives, t being the score of each; the area is the probability that a
    positive scores higher than a negative, a draw counting half. Samples of one score are one step of the curve, as
    in scikit-learn's ``average_precision_score`` and ``roc_auc_score``, whose values these are.

    Args:
        scores: ``(N, C)``.
        targets: Class indices ``(N,)`` or multi-hot targets ``(N, C)``.

    Returns:
        Average precision ``(C,)``, 0 for a class without positives, and area ``(C,)``, NaN for a class without
        positives or without negatives.

    Raises:
        ConfigError: If a shape is wrong.
        DataError: If a score is not a number.
    """
    scores = as_scores(scores)
    targets = as_targets(targets, scores.shape)
    count, num_classes = scores.shape
    precision, area = np.zeros(num_classes), np.full(num_classes, np.nan)
    by_class = np.ascontiguousarray(scores.T)
    hits = np.ascontiguousarray(targets.T)
    for c in range(num_classes):
        own = np.sort(by_class[c][hits[c]])
        positives = len(own)
        if positives == 0:
            continue
        everyone = np.sort(by_class[c])
        below = np.searchsorted(everyone, own, 'left')
        own_below = np.searchsorted(own, own, 'left')
        precision[c] = np.mean((positives - own_below) / (count - below))
        if positives < count:
            not_above = np.searchsorted(everyone, own, 'right')
            # Twice the negatives below, draws among them counted once.
            wins = (below + not_above).sum() - (own_below + np.searchsorted(own, own, 'right')).sum()
            area[c] = wins / (2 * positives * (count - positives))
    return precision, area


def average_precision(scores: Array, targets: Array) -> np.ndarray:
    """Average precision of each class ``(C,)``, 0 without positives; see :func:`ranking_scores`."""
    return ranking_scores(scores, targets)[0]


def roc_auc(scores: Array, targets: Array) -> np.ndarray:
    """Area under the ROC curve of each class ``(C,)``, NaN where it is not defined; see :func:`ranking_scores`."""
    return ranking_scores(scores, targets)[1]


def mean_average_precision(scores: Array, targets: Array) -> float:
    """Mean of :func:`average_precision` over all classes: scikit-learn's ``average='macro'``.

    Example:
        >>> mean_average_precision(np.array([[0.9, 0.2], [0.4, 0.3], [0.6, 0.8]]), np.array([0, 0, 1]))
        0.9166666666666666
    """
    return float(average_precision(scores, targets).mean())


def mean_roc_auc(scores: Array, targets: Array) -> float:
    """Mean of :func:`roc_auc` over the classes that have positives and negatives; NaN if there are none."""
    area = roc_auc(scores, targets)
    area = area[~np.isnan(area)]
    return float(area.mean()) if len(area) else math.nan


def d_prime(auc: float | Array) -> float | np.ndarray:
    r"""Distance of two unit normal distributions whose ROC curve has the area ``auc``: :math:`\sqrt2\,\Phi^{-1}(auc)`.

    Args:
        auc: An area in 0 to 1, or an array of them.

    Returns:
        A number, or an array of the same shape; plus or minus infinity at 1 and 0.
    """
    from scipy.special import ndtri
    value = math.sqrt(2) * ndtri(np.asarray(auc, dtype=np.float64))
    return float(value) if np.ndim(value) == 0 else value


def envelope_mean_average_precision(scores: Array, targets: Array) -> float:
    """Mean average precision with the precision envelope, as published audio-visual balancing code computes it.

    The samples of a class are put in order one by one (ties in the order of the list), and the precision at each
    recall is replaced by the best precision at that or a higher recall. The value is never below that of
    :func:`mean_average_precision` on scores without ties, so the two must not be compared. Classes without positives
    are left out.

    Args:
        scores: ``(N, C)``.
        targets: Class indices ``(N,)`` or multi-hot targets ``(N, C)``.
    """
    scores = as_scores(scores)
    targets = as_targets(targets, scores.shape)
    values = []
    # Class by class in contiguous memory: faster than sorting along the columns, and with little memory.
    for own, hit in zip(np.ascontiguousarray(scores.T), np.ascontiguousarray(targets.T), strict=True):
        if hit.any():
            hit = hit[np.argsort(-own, kind='stable')]
            precision = hit.cumsum() / np.arange(1, len(hit) + 1)
            values.append(np.maximum.accumulate(precision[::-1])[::-1][hit].mean())
    return float(np.mean(values)) if values else math.nan
