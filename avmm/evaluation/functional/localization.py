"""Cross-modality localisation: where in one modality is the event that the other modality shows?

The event covers ``length`` seconds from ``start``. A window of that length slides over the other modality, and the
start of the best window is the answer; it is right only if it is exact (Audio-Visual Event Localization in
Unconstrained Videos, ECCV 2018).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avmm.evaluation.functional.arrays import Array, as_numpy
from avmm.utils import ConfigError, DataError

#: Which modality is given and which one is searched.
DIRECTIONS = ('a2v', 'v2a')


@dataclass(frozen=True)
class Localization:
    """Answers of N videos.

    Attributes:
        found: Start of the best window ``(N,)`` int64.
        start: True start ``(N,)`` int64.
        length: Segments of the event, which is also the length of the window, ``(N,)`` int64.
        num_segments: S, segments of a video.
    """
    found: np.ndarray
    start: np.ndarray
    length: np.ndarray
    num_segments: int

    @property
    def correct(self) -> np.ndarray:
        """Which answers are exact, ``(N,)`` bool."""
        return self.found == self.start

    @property
    def windows(self) -> np.ndarray:
        """The segments that were answered, ``(N, S)`` bool."""
        return _run(self.found, self.length, self.num_segments)

    @property
    def covered(self) -> np.ndarray:
        """Segments of the event that lie in the window, ``(N,)`` int64."""
        return (self.windows & _run(self.start, self.length, self.num_segments)).sum(1)

    def evaluated(self, skip_full: bool) -> np.ndarray:
        """Which videos count, ``(N,)`` bool.

        A video without an event never does. One whose event takes all segments is always right, and tells nothing.

        Args:
            skip_full: Leave out videos of which every segment belongs to the event.
        """
        counts = self.length > 0
        return counts & (self.length < self.num_segments) if skip_full else counts

    def select(self, rows: np.ndarray) -> Localization:
        """The answers of some videos: a mask ``(N,)`` bool, or indices."""
        return Localization(self.found[rows], self.start[rows], self.length[rows], self.num_segments)

    def accuracy(self, skip_full: bool, percent: bool = False) -> float:
        """Share of the videos that count whose start was found.

        Raises:
            DataError: If no video counts.
        """
        counts = self.evaluated(skip_full)
        if not counts.any():
            rest = ' shorter than the video' if skip_full else ''
            raise DataError(f'cross-modality localisation: none of {len(counts)} videos has an event{rest}')
        return float((100 if percent else 1) * self.correct[counts].mean())


def localize_by_distance(distance: Array, mask: Array, direction: str) -> Localization:
    r"""Search the window whose segments are nearest to those of the event in the other modality.

    For ``a2v``, audio given, window start n of l segments has the cost
    :math:`\sum_{i<l} d(v_{n+i}, a_{s+i})`, s being the start of the event; for ``v2a`` the two change places. The
    first of the windows with the lowest cost is the answer.

    Args:
        distance: Distances ``(N, S, S)`` of visual segments (rows) to audio segments (columns) of the same video.
        mask: ``(N, S)``, which segments belong to the event.
        direction: ``'a2v'`` or ``'v2a'``.

    Raises:
        ConfigError: If a shape or the direction is wrong.
        DataError: If a distance is not a number.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f'direction must be one of {", ".join(DIRECTIONS)}, got {direction!r}')
    distance, (start, length, size) = as_numpy(distance), _events(mask)
    if distance.shape != (len(start), size, size):
        raise ConfigError(f'distances must have the shape {(len(start), size, size)}, got {distance.shape}')
    _refuse_nan(distance, 'distance')
    # Rows become those of the searched modality.
    searched = distance if direction == 'a2v' else distance.swapaxes(1, 2)
    steps = np.arange(size)
    rows = np.minimum(steps[:, None] + steps, size - 1)
    columns = np.minimum(start[:, None] + steps, size - 1)
    pairs = searched[np.arange(len(start))[:, None, None], rows, columns[:, None]]
    cost = _window_sums(pairs, length)
    cost[~_window_fits(length, size)] = np.inf
    return Localization(cost.argmin(1), start, length, size)


def localize_by_logits(event_logits: Array, mask: Array) -> Localization:
    """Search the window whose segments look most like an event.

    A window's score is the sum of its logits, added up in float64 and rounded to float32; the first of the windows
    with the highest score is the answer (Dense Modality Interaction Network for Audio-Visual Event Localization,
    IEEE TMM 2022). Windows that differ by less than float32 can tell so tie.

    Args:
        event_logits: ``(N, S)``, of the segments of the searched modality.
        mask: ``(N, S)``, which segments belong to the event.

    Raises:
        ConfigError: If a shape is wrong.
        DataError: If a logit is not a number.
    """
    logits, (start, length, size) = as_numpy(event_logits).astype(np.float64), _events(mask)
    if logits.shape != (len(start), size):
        raise ConfigError(f'event logits must have the shape {(len(start), size)}, got {logits.shape}')
    _refuse_nan(logits, 'event logit')
    steps = np.arange(size)
    score = _window_sums(logits[:, np.minimum(steps[:, None] + steps, size - 1)], length).astype(np.float32)
    score[~_window_fits(length, size)] = -np.inf
    return Localization(score.argmax(1), start, length, size)


def _events(mask: Array) -> tuple[np.ndarray, np.ndarray, int]:
    """First segment ``(N,)`` and number of segments ``(N,)`` of the events, and S."""
    array = as_numpy(mask)
    if array.ndim != 2:
        raise ConfigError(f'event masks must have the shape (N, S), got {array.shape}')
    inside = array > 0.5
    return inside.argmax(1), inside.sum(1), inside.shape[1]


def _run(start: np.ndarray, length: np.ndarray, size: int) -> np.ndarray:
    """Masks ``(N, S)`` of ``length`` segments from ``start``."""
    steps = np.arange(size)
    return (steps >= start[:, None]) & (steps < (start + length)[:, None])


def _window_sums(terms: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Sums ``(N, S)`` over the first ``length`` of the terms ``(N, S, S)`` of each window, one after the other."""
    inside = np.arange(terms.shape[2]) < length[:, None]
    total = np.zeros(terms.shape[:2], terms.dtype)
    # Over the segments of a window, not over videos: the order of the additions decides ties.
    for i in range(terms.shape[2]):
        total += np.where(inside[:, None, i], terms[:, :, i], 0)
    return total


def _window_fits(length: np.ndarray, size: int) -> np.ndarray:
    """Which starts ``(N, S)`` leave room for a window."""
    return np.arange(size) <= (size - length)[:, None]


def _refuse_nan(values: np.ndarray, name: str) -> None:
    if np.isnan(values).any():
        raise DataError(f'a {name} of video {int(np.argwhere(np.isnan(values))[0][0])} is not a number')
