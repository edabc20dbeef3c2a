"""Smoothed and mixed targets, for a clip and for a whole batch."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from avmm.structures import AVDataSample


class LabelTable:
    """Class numbers of all clips in one flat array, so that a batch of targets takes no loop.

    Args:
        numbers: Class numbers of every clip ``(N,)``; one may occur twice.
        num_classes: C.
        smooth: Smoothing ε: targets begin at ε / C.

    Example:
        >>> table = LabelTable([[1], [0, 2]], 4, smooth=0.1)
        >>> table.targets([0])[0].tolist()  # sums to 1 - 0.1 / 4
        [0.02500000037252903, 0.8999999761581421, 0.02500000037252903, 0.02500000037252903]
        >>> table.targets([0], [1], [0.75])[0].tolist()  # mixed targets are added, and sum to 1 for single labels
        [0.25, 0.699999988079071, 0.25, 0.02500000037252903]
    """

    def __init__(self, numbers: Sequence[Sequence[int]], num_classes: int, smooth: float = 0.0):
        self.num_classes, self.smooth = num_classes, smooth
        self._flat = np.array([n for own in numbers for n in own], np.int64)
        self._ends = np.cumsum([len(own) for own in numbers])
        self._counts = np.diff(self._ends, prepend=0)

    def of(self, index: int) -> list[int]:
        """Class numbers of one clip."""
        end = self._ends[index]
        return self._flat[end - self._counts[index]:end].tolist()

    def targets(self, indices: Sequence[int], partners: Sequence[int] = (), weights: Sequence[float] = (),
                places: Sequence[int] | None = None) -> np.ndarray:
        """Targets of a batch ``(B, C)``, float32.

        Args:
            indices: The clips ``(B,)``.
            partners: Clips that are mixed into some of them ``(M,)``.
            weights: Share of the first clip in each mixture ``(M,)``.
            places: Which rows of the batch are mixed ``(M,)``. Defaults to the first M.
        """
        indices = np.asarray(indices, np.int64)
        targets = np.full((len(indices), self.num_classes), self.smooth / self.num_classes, np.float32)
        on = 1.0 - self.smooth
        rows, classes = self._entries(indices)
        places = np.arange(len(partners)) if places is None else np.asarray(places, np.int64)
        mixed = np.zeros(len(indices), bool)
        mixed[places] = True
        plain = ~mixed[rows]
        targets[rows[plain], classes[plain]] = on
        if len(places):
            share = np.zeros(len(indices))
            share[places] = weights
            # Labels of both clips are added, also one that both have.
            np.add.at(targets, (rows[~plain], classes[~plain]), (share[rows[~plain]] * on).astype(np.float32))
            rows, classes = self._entries(np.asarray(partners, np.int64))
            add = (1.0 - np.asarray(weights, np.float64)[rows]) * on
            np.add.at(targets, (places[rows], classes), add.astype(np.float32))
        return targets

    def _entries(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(row of the batch, class)`` of every label of the clips."""
        counts = self._counts[indices]
        ends = np.cumsum(counts)
        flat = np.arange(counts.sum()) + np.repeat(self._ends[indices] - counts - (ends - counts), counts)
        return np.repeat(np.arange(len(indices)), counts), self._flat[flat]


class SampleBatch(Sequence):
    """The data samples of a batch, each made when somebody asks for it.

    Making and sending 144 samples takes longer than reading their features; a training step needs the targets alone.

    Args:
        names: Name of every clip ``(B,)``.
        labels: Class number of every clip, or the tuple of its numbers ``(B,)``.
        target: Targets ``(B, C)``.
    """

    def __init__(self, names: list[str], labels: list[int | tuple[int, ...]], target: Tensor):
        self.names, self.labels, self.target = names, labels, target
        self._made: dict[int, AVDataSample] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> AVDataSample:
        place = range(len(self))[place]
        if place not in self._made:
            self._made[place] = make_sample(self.names[place], self.labels[place], self.target[place])
        return self._made[place]

    def __iter__(self) -> Iterator[AVDataSample]:
        return (self[i] for i in range(len(self)))

    def pin_memory(self) -> SampleBatch:
        """The same batch with its targets in pinned memory; a data loader asks for it."""
        return SampleBatch(self.names, self.labels, self.target.pin_memory())


def make_sample(name: str, label: int | tuple[int, ...], target: Tensor) -> AVDataSample:
    """A data sample with name, label and target."""
    sample = AVDataSample()
    sample.set_field(name, 'sample_id', field_type='metainfo')
    return sample.set_gt_label(label).set_gt_score(target)
