"""Measures of predictions with one right class: accuracy, recall, confusion, F1."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avmm.evaluation.functional.arrays import Array, as_labels, as_numpy, as_scores
from avmm.utils import ConfigError


def top_k_accuracy(scores: Array, labels: Array, topk: Sequence[int] = (1, )) -> tuple[float, ...]:
    """Share of samples whose class is among the k best.

    Of classes with the same score the one with the lower index is the better one, so that ``k = 1`` is what
    ``argmax`` says.

    Args:
        scores: ``(N, C)``.
        labels: Class indices ``(N,)``.
        topk: The values of k.

    Returns:
        One share in 0 to 1 for each k.

    Raises:
        ConfigError: If a shape is wrong, there are no samples, or a k is not in 1 to C.

    Example:
        >>> top_k_accuracy(np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]]), np.array([0, 1]), topk=(1, 2))
        (0.5, 1.0)
    """
    scores = as_scores(scores)
    labels = as_labels(labels, *scores.shape)
    if not len(scores):
        raise ConfigError('the accuracy of no samples is not defined')
    for k in topk:
        if not 1 <= k <= scores.shape[1]:
            raise ConfigError(f'topk has {k}, there are {scores.shape[1]} classes')
    own = scores[np.arange(len(labels)), labels][:, None]
    ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
    place = ahead.sum(1)
    return tuple(float((place < k).mean()) for k in topk)


def confusion_matrix(predictions: Array, labels: Array, num_classes: int | None = None) -> np.ndarray:
    """How often each class was taken for each other.

    Args:
        predictions: Scores ``(N, C)``, or predicted class indices ``(N,)``.
        labels: Class indices ``(N,)``.
        num_classes: C; by default that of the scores, or the largest index plus one.

    Returns:
        Counts ``(C, C)`` int64, the true class in the row and the predicted one in the column.

    Raises:
        ConfigError: If a shape is wrong.
        DataError: If an index is not in 0 to C - 1.
    """
    predictions = as_numpy(predictions)
    if predictions.ndim == 2:
        scores = as_scores(predictions)
        num_classes = num_classes or scores.shape[1]
        predictions = scores.argmax(1)
    predictions = as_labels(predictions)
    labels = as_labels(labels, len(predictions))
    if num_classes is None:
        num_classes = int(max(predictions.max(initial=-1), labels.max(initial=-1))) + 1
    labels = as_labels(labels, num_classes=num_classes)
    predictions = as_labels(predictions, num_classes=num_classes)
    counts = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def per_class_accuracy(matrix: Array) -> np.ndarray:
    """Share of the samples of each class that were recognised: the recall of the class.

    Args:
        matrix: Counts ``(C, C)`` of :func:`confusion_matrix`.

    Returns:
        Shares ``(C,)`` in 0 to 1; NaN for a class without samples.
    """
    matrix = as_numpy(matrix)
    with np.errstate(invalid='ignore'):
        return np.diag(matrix) / matrix.sum(1)


def mean_class_accuracy(matrix: Array) -> float:
    """Mean of :func:`per_class_accuracy` over the classes that have samples (balanced accuracy)."""
    return float(np.nanmean(per_class_accuracy(matrix)))


def macro_f1(matrix: Array) -> float:
    """Mean F1 of the classes, ``2 TP / (2 TP + FP + FN)``.

    Classes that are neither in the labels nor in the predictions are left out, as scikit-learn's ``f1_score`` with
    ``average='macro'`` does.

    Args:
        matrix: Counts ``(C, C)`` of :func:`confusion_matrix`.
    """
    matrix = as_numpy(matrix)
    total = matrix.sum(0) + matrix.sum(1)
    seen = total > 0
    return float(np.mean(2 * np.diag(matrix)[seen] / total[seen]))
