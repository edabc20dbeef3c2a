"""Measures of labels of segments: which of C classes, or background, each of S segments of a video belongs to."""
from __future__ import annotations

import numpy as np
import torch

from avmm.evaluation.functional.arrays import Array, as_numpy
from avmm.evaluation.functional.classification import confusion_matrix, per_class_accuracy
from avmm.utils import ConfigError, DataError


def event_class_labels(event_logits: Array, class_scores: Array, background: int) -> Array:
    r"""Labels of segments from "is it an event" and "which event does the video have".

    A segment is an event if :math:`\sigma(e_{bt}) > 0.5` strictly, that is if its logit is above 0; then it has the
    best class of the video, the one with the lower index if two are equal, and ``background`` otherwise. In the
    supervised setting the C classes are those of events; in the weak one the background is among them and may win
    (Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization, ACM MM 2020).

    Args:
        event_logits: ``(N, S)``.
        class_scores: ``(N, C)``, one row a video.
        background: Index of the background.

    Returns:
        Labels ``(N, S)`` int64: a tensor on the same device for tensors, else an array.

    Raises:
        ConfigError: If the shapes do not fit.

    Example:
        >>> event_class_labels(np.array([[0.2, 0.0, -1.0]]), np.array([[0.1, 0.7]]), background=2)
        array([[1, 2, 2]])
    """
    if len(event_logits.shape) != 2 or len(class_scores.shape) != 2 or len(event_logits) != len(class_scores):
        raise ConfigError('event logits (N, S) and class scores (N, C) do not fit: '
                          f'{tuple(event_logits.shape)} and {tuple(class_scores.shape)}')
    best = class_scores.argmax(-1)[:, None]
    where = torch.where if isinstance(event_logits, torch.Tensor) else np.where
    return where(event_logits > 0, best, background)


def as_segment_labels(values: Array, name: str = 'labels') -> np.ndarray:
    """Labels ``(N, S)`` int64 of labels ``(N, S)``, or of scores or one-hot labels ``(N, S, C)``.

    Of classes with the same score the one with the lower index wins.

    Raises:
        ConfigError: If the shape is another one, or labels are not whole numbers.
        DataError: If a score is not a number.
    """
    array = as_numpy(values)
    if array.ndim == 3:
        if array.dtype.kind == 'f' and np.isnan(array).any():
            video, segment, _ = np.argwhere(np.isnan(array))[0]
            raise DataError(f'{name}: a score of segment {segment} of video {video} is not a number')
        return array.argmax(-1).astype(np.int64)
    if array.ndim != 2:
        raise ConfigError(f'{name} must have the shape (N, S) or (N, S, C), got {array.shape}')
    if array.dtype.kind not in 'iub':
        raise ConfigError(f'{name} (N, S) must be whole numbers, got {array.dtype}')
    return array.astype(np.int64)


def _both(predictions: Array, targets: Array) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both, of one shape, with at least one segment."""
    predictions, targets = as_segment_labels(predictions, 'predictions'), as_segment_labels(targets, 'targets')
    if predictions.shape != targets.shape:
        raise ConfigError(f'predictions of {predictions.shape} segments for targets of {targets.shape}')
    if not predictions.size:
        raise ConfigError('the accuracy of no segments is not defined')
    return predictions, targets


def segment_accuracy(predictions: Array, targets: Array, percent: bool = False) -> float:
    """Share of segments with the right label; background counts like any class.

    Args:
        predictions: Labels ``(N, S)``, or scores ``(N, S, C)`` of which the best one counts.
        targets: Labels ``(N, S)``, or one-hot labels ``(N, S, C)``.
        percent: Give per cent instead of a share in 0 to 1.

    Raises:
        ConfigError: If the shapes do not fit, or there are no segments.
        DataError: If a score is not a number.

    Example:
        >>> segment_accuracy(np.array([[3, 28, 3, 3]]), np.array([[3, 28, 28, 3]]))
        0.75
    """
    predictions, targets = _both(predictions, targets)
    return float((100 if percent else 1) * (predictions == targets).mean())


def video_segment_accuracy(predictions: Array, targets: Array, percent: bool = False) -> np.ndarray:
    """:func:`segment_accuracy` of each video, ``(N,)`` float64."""
    predictions, targets = _both(predictions, targets)
    return (100 if percent else 1) * (predictions == targets).mean(1)


def batch_segment_accuracy(predictions: Array, targets: Array, batch_size: int,
                           percent: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """:func:`segment_accuracy` of each batch, and the number of videos in it.

    The mean of the batches weighted by their videos is the accuracy of the whole, up to rounding.

    Args:
        predictions: See :func:`segment_accuracy`.
        targets: The same.
        batch_size: Videos in a batch; the last one may have fewer.
        percent: The same.

    Returns:
        Accuracies ``(batches,)`` float64 and videos ``(batches,)`` int64.

    Raises:
        ConfigError: If ``batch_size`` is not at least 1; and as :func:`segment_accuracy` does.
    """
    if batch_size < 1:
        raise ConfigError(f'batch_size must be at least 1, got {batch_size}')
    of_video = video_segment_accuracy(predictions, targets, percent)
    first = np.arange(0, len(of_video), batch_size)
    videos = np.diff(np.append(first, len(of_video)))
    return np.add.reduceat(of_video, first) / videos, videos


def class_segment_accuracy(predictions: Array, targets: Array, num_classes: int) -> np.ndarray:
    """Share of the segments of each class that have the right label.

    Args:
        predictions: See :func:`segment_accuracy`.
        targets: The same.
        num_classes: C, the background included.

    Returns:
        Shares ``(C,)`` in 0 to 1; NaN for a class without segments.

    Raises:
        DataError: If a label is not in 0 to C - 1; and as :func:`segment_accuracy` does.
    """
    predictions, targets = _both(predictions, targets)
    return per_class_accuracy(confusion_matrix(predictions.ravel(), targets.ravel(), num_classes))
