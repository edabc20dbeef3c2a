r"""Calibrated stacking: recognition among seen and unseen classes, for many calibrations at once.

The nearest class is the answer, after a constant :math:`\beta` is added to the distances of seen classes. S and U are
the means of the recalls of seen and of unseen classes, HM is their harmonic mean, and ZSL is the mean recall of unseen
classes where the search is restricted to them. Source: Chao et al., "An Empirical Study and Analysis of Generalized
Zero-Shot Learning for Object Recognition in the Wild" (ECCV 2016); the protocol is that of Mercea et al. (CVPR 2022).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avmm.evaluation.functional.arrays import Array, as_labels, as_numpy
from avmm.utils import ConfigError, DataError

#: Calibrations that are tried on validation data: 0 to 3 in steps of 0.2.
BETAS = tuple(np.linspace(0, 3, 16).tolist())
_TINY = np.finfo(np.float64).eps
EMPTY = ('skip', 'nan')


def embedding_distances(clips: Tensor, classes: Tensor, squared: bool = False) -> Tensor:
    """L2 distances ``(N, C)`` of embeddings ``(N, z)`` to those of classes ``(C, z)``, squared on request."""
    distances = torch.cdist(clips, classes)
    return distances.square() if squared else distances


def joint_distances(audio: Array, visual: Array, attention: Array | None = None) -> np.ndarray:
    """Distances ``(N, C)`` by both modalities.

    Args:
        audio: Distances of the sound ``(N, C)``.
        visual: Distances of the frames ``(N, C)``.
        attention: Weight of the frames ``(N,)`` or ``(N, 1)``, of which only counts whether it reaches 0.5: the frames
            answer alone then, and the sound alone otherwise (CJME, Parida et al., WACV 2020). Without, distances are
            added (AVGZSLNet, Mazumder et al., WACV 2021).
    """
    audio, visual = as_numpy(audio), as_numpy(visual)
    if attention is None:
        return audio + visual
    return np.where(as_numpy(attention).reshape(-1, 1) >= 0.5, visual, audio)


def combined_beta(betas: Sequence[float], rule: str = 'tcaf') -> float:
    """The calibration of the test, from those that validation chose for each mode.

    Args:
        betas: One for each mode.
        rule: ``'tcaf'`` adds 1e-10 to their sum before it is divided, as the published program does so that 0 counts
            as given. ``'avca'`` takes the mean, or 1e-10 if that is 0.

    Raises:
        ConfigError: If there is no such rule or no beta.
    """
    if rule not in ('tcaf', 'avca') or not len(betas):
        raise ConfigError(f"the rule is 'tcaf' or 'avca', with at least one beta; got {rule!r}, {list(betas)}")
    if rule == 'tcaf':
        # Of three modes that are equal, or of one alone, the same: beta + 3.3e-11.
        return (3 * float(np.mean(betas)) + 1e-10) / 3
    return float(np.mean(betas)) or 1e-10


@dataclass(frozen=True)
class Calibration:
    """Results for K calibrations.

    Attributes:
        betas: The calibrations ``(K,)``.
        seen, unseen, hm: S, U and HM ``(K,)``, 0 to 1.
        zsl: ZSL, 0 to 1.
        class_ids: Numbers of the classes ``(C,)``, sorted.
        is_seen: Which of them are seen ``(C,)``.
        counts: Clips of each class ``(C,)``.
        recalls: Recall of each class for each calibration ``(K, C)``; not a number where a class has no clip.
        zsl_recalls: Recall of each class where only unseen ones are searched ``(C,)``; 0 for seen ones.
        best: Which calibration has the best HM: the first of several.
    """
    betas: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    hm: np.ndarray
    zsl: float
    class_ids: np.ndarray
    is_seen: np.ndarray
    counts: np.ndarray
    recalls: np.ndarray
    zsl_recalls: np.ndarray
    best: int

    @property
    def beta(self) -> float:
        """The best calibration."""
        return float(self.betas[self.best])

    def summary(self, index: int | None = None) -> dict[str, float]:
        """``seen``, ``unseen``, ``hm``, ``zsl`` and ``beta`` of one calibration, by default the best one."""
        i = self.best if index is None else index
        return dict(seen=float(self.seen[i]), unseen=float(self.unseen[i]), hm=float(self.hm[i]), zsl=self.zsl,
                    beta=float(self.betas[i]))


def calibrate(distances: Array, labels: Array, class_ids: Sequence[int], seen_ids: Sequence[int],
              unseen_ids: Sequence[int], betas: Sequence[float] = BETAS, empty: str = 'skip') -> Calibration:
    """Results for all calibrations from one matrix of distances.

    The nearest class is found once among the seen and once among the unseen classes; the calibrations then compare
    two numbers a clip. The answers are those of a search through all classes, the first of equals included: where
    rounding could make distances equal that were not, the search is done.

    Args:
        distances: Distances ``(N, C)`` of clips to the classes ``class_ids``.
        labels: Class of every clip ``(N,)``, as ``class_ids`` numbers them.
        class_ids: Numbers of the classes ``(C,)``.
        seen_ids: Those that were trained on.
        unseen_ids: Those that were not; both together are ``class_ids``.
        betas: Calibrations ``(K,)``.
        empty: What a class without clips does to the means: ``'skip'`` leaves it out; ``'nan'`` makes them no number,
            which then counts as the best HM, as in the published program.

    Raises:
        ConfigError: If the arguments do not fit each other.
        DataError: If a distance is not a number, or a clip is of none of the classes.
    """
    ids, is_seen = _classes(class_ids, seen_ids, unseen_ids)
    values = as_numpy(distances)
    if values.ndim != 2 or values.shape[1] != len(ids):
        raise ConfigError(f'distances have the shape (N, {len(ids)}), got {values.shape}')
    if empty not in EMPTY or not len(betas):
        raise ConfigError(f"empty is 'skip' or 'nan', with at least one beta; got {empty!r}, {list(betas)}")
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
    # Classes by number; columns of seen ones before those of unseen ones, so that each search runs through memory.
    order = np.argsort(ids)
    rows = np.argsort(order)[_rows(as_labels(labels, len(values)), ids)]
    ids, is_seen = ids[order], is_seen[order]
    grouped = np.concatenate([np.flatnonzero(is_seen), np.flatnonzero(~is_seen)])
    # A copy; torch takes columns faster than NumPy does.
    values = torch.from_numpy(values).index_select(1, torch.from_numpy(order[grouped])).numpy()
    betas, counts = np.asarray(betas, np.float64), np.bincount(rows, minlength=len(ids))
    answers, unseen_answers = _answers(values, grouped, int(is_seen.sum()), betas)
    recalls = np.stack([_recalls(a, rows, counts) for a in answers])
    zsl_recalls = np.where(is_seen, 0.0, _recalls(unseen_answers, rows, counts))
    seen, unseen = _means(recalls[:, is_seen], empty), _means(recalls[:, ~is_seen], empty)
    hm = 2 * unseen * seen / (unseen + seen + _TINY)
    if empty == 'skip':
        hm = np.nan_to_num(hm)
    # The largest, first; a NaN counts as larger than everything.
    return Calibration(betas, seen, unseen, hm, float(_means(zsl_recalls[None, ~is_seen], empty)[0]), ids, is_seen,
                       counts, recalls, zsl_recalls, int(np.argmax(hm)))


def full_recalls(recalls: np.ndarray, class_ids: np.ndarray, num_all: int) -> np.ndarray:
    """Recalls ``(C,)`` of some classes among those of all ``num_all`` classes ``(num_all,)``, 0 elsewhere."""
    full = np.zeros(num_all)
    full[class_ids] = recalls
    return full


def _classes(class_ids: Sequence[int], seen_ids: Sequence[int], unseen_ids: Sequence[int]) -> tuple[np.ndarray, ...]:
    ids, seen, unseen = (np.asarray(as_numpy(x), np.int64).reshape(-1) for x in (class_ids, seen_ids, unseen_ids))
    if not np.array_equal(np.sort(ids), np.sort(np.concatenate([seen, unseen]))) or len(np.unique(ids)) != len(ids):
        raise ConfigError(f'{len(ids)} classes are {len(seen)} seen and {len(unseen)} unseen ones, each once; '
                          'the numbers differ')
    return ids, np.isin(ids, seen)


def _rows(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Places of the labels among ``ids``."""
    order = np.argsort(ids)
    places = np.minimum(np.searchsorted(ids, labels, sorter=order), len(ids) - 1)
    rows = order[places]
    wrong = np.flatnonzero(ids[rows] != labels)
    if len(wrong):
        raise DataError(f'clip {wrong[0]} is of class {labels[wrong[0]]}, which is neither seen nor unseen')
    return rows


def _nearest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest class, the first of equals ``(N,)``, and its distance ``(N,)``; infinity where there is no class.

    Raises:
        DataError: If a distance is not a number.
    """
    if not values.shape[1]:
        return np.zeros(len(values), np.int64), np.full(len(values), np.inf, values.dtype)
    places = values.argmin(1)
    nearest = values[np.arange(len(values)), places]
    # NumPy takes what is not a number for the smallest.
    if np.isnan(nearest).any():
        raise DataError(f'the distances of clip {int(np.isnan(nearest).argmax())} are not all numbers; has the model '
                        'diverged?')
    return places, nearest


def _answers(values: np.ndarray, grouped: np.ndarray, seen_count: int,
             betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest class for each calibration ``(K, N)``, and among unseen classes ``(N,)``; the first of equals.

    Args:
        values: Distances ``(N, C)`` to the classes ``grouped``; changed on the way.
        grouped: Places of the classes, seen ones first.
        seen_count: How many of them are seen.
        betas: Calibrations ``(K,)``.
    """
    dtype, clips = values.dtype, np.arange(len(values))
    among_seen, among_unseen = values[:, :seen_count], values[:, seen_count:]
    (seen_place, nearest_seen), (place, nearest_unseen) = _nearest(among_seen), _nearest(among_unseen)
    unseen = grouped[seen_count:][place] if seen_count < len(grouped) else np.full(len(values), -1)
    if not seen_count:
        return np.tile(unseen, (len(betas), 1)), unseen
    seen = grouped[seen_place]
    shifted = nearest_seen + betas.astype(dtype)[:, None]
    first = (shifted == nearest_unseen) & (seen < unseen)
    answers = np.where((shifted < nearest_unseen) | first, seen, unseen)
    # Adding a number rounds: distances that differ by less may become equal, and then the first class counts.
    among_seen[clips, seen_place] = np.inf
    second = among_seen.min(1)
    among_seen[clips, seen_place] = nearest_seen
    margin = 4 * np.finfo(dtype).eps * (np.abs(nearest_seen) + float(np.abs(betas).max()))
    close = np.flatnonzero(second <= nearest_seen + margin)
    if len(close):
        by_number = np.argsort(grouped)
        few = values[close][:, by_number]
        is_seen = by_number < seen_count
        for k, beta in enumerate(betas.astype(dtype)):
            answers[k, close] = (few + np.where(is_seen, beta, dtype.type(0))).argmin(1)
    return answers, unseen


def _recalls(answers: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    right = np.bincount(rows[answers == rows], minlength=len(counts))
    return np.divide(right, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _means(recalls: np.ndarray, empty: str) -> np.ndarray:
    """Means over the classes ``(K, C)`` to ``(K,)``; not a number where there is nothing to average."""
    there = ~np.isnan(recalls)
    if empty == 'nan' or there.all():
        return recalls.mean(1) if recalls.shape[1] else np.full(len(recalls), np.nan)
    number = there.sum(1)
    return np.divide(np.where(there, recalls, 0).sum(1), number, out=np.full(len(recalls), np.nan), where=number > 0)
