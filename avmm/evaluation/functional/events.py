r"""F1 of events and of segments, as in audio-visual video parsing.

From Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video Parsing, ECCV 2020: consecutive segments of
a class are one event, and a predicted event is right if its intersection over union with a true one of the class is at
least 0.5 ("mIoU" there).
"""
from __future__ import annotations

import numpy as np

from avmm.evaluation.functional.arrays import Array, as_numpy
from avmm.utils import ConfigError

#: How the F1 of classes becomes one number.
AVERAGES = ('video', 'class')


def as_multi_hot(labels: Array, num_classes: int, background: int | None) -> np.ndarray:
    """Which classes each segment has, ``(N, S, C)`` bool.

    Args:
        labels: Labels ``(N, S)`` of one class a segment, or multi-hot labels ``(N, S, C)``, above 0.5 a yes.
        num_classes: C, the background included.
        background: Index of the class that is no event, whose column is emptied; None if there is none.

    Raises:
        ConfigError: If the shape or a label does not fit C.
    """
    array = as_numpy(labels)
    if array.ndim == 2 and array.size and not (array.min() >= 0 and array.max() < num_classes):
        raise ConfigError(f'labels go from {array.min()} to {array.max()}, there are {num_classes} classes')
    if array.ndim == 2:
        hot = array[..., None] == np.arange(num_classes)
    elif array.ndim == 3 and array.shape[2] == num_classes:
        hot = array > 0.5
    else:
        raise ConfigError(f'labels must have the shape (N, S) or (N, S, {num_classes}), got {array.shape}')
    if background is not None:
        hot[..., background] = False
    return hot


def event_counts(predictions: np.ndarray, targets: np.ndarray, miou: float = 0.5) -> np.ndarray:
    """Right, wrong and missed events of each video and class.

    Consecutive segments of a class are one event. A predicted event is right if its intersection over union with
    some true event of the same video and class is at least ``miou``, else wrong; a true event is missed if no
    predicted one reaches that with it. For ``miou`` of 0.5 and more no event can be claimed twice, so this is a
    matching one to one; below it need not be.

    Args:
        predictions: ``(N, S, C)`` bool.
        targets: ``(N, S, C)`` bool.
        miou: Bound in (0, 1].

    Returns:
        ``(3, N, C)`` int64: true positives, false positives, false negatives.

    Raises:
        ConfigError: If the shapes differ, or the bound is not in (0, 1].
    """
    _check(predictions, targets)
    if not 0 < miou <= 1:
        raise ConfigError(f'miou must be in (0, 1], got {miou}')
    count, size, num_classes = targets.shape
    rows = [array.swapaxes(1, 2).reshape(-1, size) for array in (predictions, targets)]
    # Most pairs of video and class are empty on both sides.
    used = np.flatnonzero((rows[0] | rows[1]).any(1))
    guess, truth = (_runs(array[used]) for array in rows)
    begin = np.maximum(guess[0][:, :, None], truth[0][:, None])
    end = np.minimum(guess[1][:, :, None], truth[1][:, None])
    shared = np.maximum(end - begin, 0)
    union = (guess[1] - guess[0])[:, :, None] + (truth[1] - truth[0])[:, None] - shared
    match = (shared > 0) & (shared >= miou * union)
    right = match.any(2).sum(1)
    counts = np.zeros((3, count * num_classes), np.int64)
    counts[0, used] = right
    counts[1, used] = (guess[1] > guess[0]).sum(1) - right
    counts[2, used] = (truth[1] > truth[0]).sum(1) - match.any(1).sum(1)
    return counts.reshape(3, count, num_classes)


def segment_counts(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Right, wrong and missed segments of each video and class, ``(3, N, C)`` int64.

    Args:
        predictions: ``(N, S, C)`` bool.
        targets: ``(N, S, C)`` bool.

    Raises:
        ConfigError: If the shapes differ.
    """
    _check(predictions, targets)
    return np.stack([(predictions & targets).sum(1), (predictions & ~targets).sum(1),
                     (~predictions & targets).sum(1)])


def mean_f1(counts: np.ndarray, average: str = 'video') -> float:
    r"""One F1, :math:`2TP / (2TP + FP + FN)`, of counts ``(3, N, C)``.

    ``'video'`` is the rule of audio-visual video parsing: in each video the mean of the F1 of the classes that are
    predicted or true there, 1 for a video without either; then the mean of the videos. ``'class'`` adds up the
    counts of all videos first, and averages over the classes that are predicted or true in any of them.

    Args:
        counts: Of :func:`event_counts` or :func:`segment_counts`.
        average: ``'video'`` or ``'class'``.

    Returns:
        F1 in 0 to 1; 1 if there is nothing to find and nothing was found.

    Raises:
        ConfigError: If ``average`` is another one, or there are no videos.
    """
    if average not in AVERAGES:
        raise ConfigError(f'average must be one of {", ".join(AVERAGES)}, got {average!r}')
    if not counts.shape[1]:
        raise ConfigError('the F1 of no videos is not defined')
    if average == 'class':
        counts = counts.sum(1, keepdims=True)
    right, wrong, missed = counts
    there = right + wrong + missed > 0
    f1 = 2 * right / np.maximum(2 * right + wrong + missed, 1)
    classes = there.sum(1)
    return float(np.where(classes > 0, f1.sum(1) / np.maximum(classes, 1), 1.0).mean())


def event_f1(predictions: Array, targets: Array, num_classes: int, background: int | None = None, miou: float = 0.5,
             average: str = 'video') -> float:
    """F1 of events; see :func:`event_counts` for what is right and :func:`mean_f1` for the average.

    Args:
        predictions: Labels ``(N, S)`` or multi-hot labels ``(N, S, C)``.
        targets: The same.
        num_classes: C, the background included.
        background: Index of the class that is no event, or None.
        miou: Bound in (0, 1].
        average: ``'video'`` or ``'class'``.

    Example:
        >>> event_f1(np.array([[0, 0, 0, 2]]), np.array([[0, 0, 2, 2]]), num_classes=3, background=2)
        1.0
    """
    hot = [as_multi_hot(labels, num_classes, background) for labels in (predictions, targets)]
    return mean_f1(event_counts(*hot, miou), average)


def segment_f1(predictions: Array, targets: Array, num_classes: int, background: int | None = None,
               average: str = 'video') -> float:
    """F1 of segments, of the same kind as :func:`event_f1`."""
    hot = [as_multi_hot(labels, num_classes, background) for labels in (predictions, targets)]
    return mean_f1(segment_counts(*hot), average)


def _check(predictions: np.ndarray, targets: np.ndarray) -> None:
    if predictions.shape != targets.shape or targets.ndim != 3:
        raise ConfigError(f'predictions {predictions.shape} and targets {targets.shape} must both be (N, S, C)')


def _runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last segment of the runs in rows ``(R, S)``, each ``(R, K)``; empty places are 0, 0."""
    edges = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, begin = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    place = np.arange(len(row)) - np.searchsorted(row, row, 'left')
    runs = np.zeros((2, len(rows), int(place.max(initial=-1)) + 1), np.int64)
    runs[:, row, place] = begin, end
    return runs[0], runs[1]
