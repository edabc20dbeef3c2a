"""Labels of AVE, from whichever files are there."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avmm.datasets.ave_files import (
    ANNOTATIONS,
    BACKGROUND,
    Annotations,
    check_one_hot,
    read_annotations,
    read_array,
    segment_classes,
    video_classes,
)
from avmm.utils import DataError

LABEL_SOURCES = ('auto', 'h5', 'annotations')


@dataclass(frozen=True)
class AVELabels:
    """Labels of all rows.

    Attributes:
        names: YouTube ids ``(N,)``, or ``row_0012`` where Annotations.txt is absent.
        classes: Class of the event ``(N,)``, int64.
        segments: Class of every segment ``(N, S)``, int64; None if they were not wanted.
        mask: Which segments the event covers ``(N, S)``, bool; None if it was not wanted.
    """
    names: Sequence[str]
    classes: np.ndarray
    segments: np.ndarray | None
    mask: np.ndarray | None


def read_labels(folder: str | os.PathLike, rows: int, segments: int, source: str = 'auto', want_segments: bool = True,
                want_mask: bool = False) -> AVELabels:
    """Labels of a data set.

    Classes of segments are those of ``labels.h5``, else follow from Annotations.txt, else from ``labels_closs.h5`` and
    the class of the video. The class of a video is that of ``mil_labels.h5``, else of Annotations.txt, else follows
    from its segments.

    Args:
        folder: Folder of the data set.
        rows: Number of videos of the features.
        segments: Number of segments of the features.
        source: ``'h5'`` leaves Annotations.txt aside, except for the names; ``'annotations'`` leaves all others aside.
        want_segments: Whether classes of segments are needed.
        want_mask: Whether the extent of the event is needed.

    Raises:
        DataError: If a file is wrong, does not fit the features, or none of those that would serve is there.
    """
    files = _Files(Path(folder), rows, segments, source)
    known = files.annotations
    names = known.names if known else [f'row_{i:04d}' for i in range(rows)]
    labels = files.segments() if want_segments or want_mask or not files.knows_classes else None
    classes = files.classes()
    if classes is None:
        classes = video_classes(labels)
    mask = files.mask() if want_mask else None
    if want_mask and mask is None:
        mask = labels != BACKGROUND
    return AVELabels(names, classes, labels if want_segments else None, mask)


class _Files:
    """The label files of a folder, those of one source alone."""

    def __init__(self, folder: Path, rows: int, segments: int, source: str):
        self.folder, self.rows, self.length = folder, rows, segments
        self.use_h5, self.use_annotations = source != 'annotations', source != 'h5'
        self.annotations: Annotations | None = None
        path = folder / ANNOTATIONS
        if source == 'annotations' or path.is_file():
            self.annotations = read_annotations(path)
            self._check_rows(path, len(self.annotations.names))

    def _check_rows(self, path: Path, count: int) -> None:
        if count != self.rows:
            raise DataError(f'{path}: {count} videos, where the features have {self.rows}')

    def _has(self, name: str) -> bool:
        return self.use_h5 and (self.folder / name).is_file()

    @property
    def knows_classes(self) -> bool:
        """Whether the class of a video need not be taken from its segments."""
        return self._has('mil_labels.h5') or (self.use_annotations and self.annotations is not None)

    def classes(self) -> np.ndarray | None:
        """Class of each video, None if its segments have to tell."""
        if self._has('mil_labels.h5'):
            path = self.folder / 'mil_labels.h5'
            classes = check_one_hot(read_array(path), path, 2)
            self._check_rows(path, len(classes))
            return classes
        return self.annotations.classes if self.use_annotations and self.annotations else None

    def mask(self) -> np.ndarray | None:
        """Which segments the event covers, None if their classes have to tell."""
        if self._has('labels_closs.h5'):
            path = self.folder / 'labels_closs.h5'
            mask = read_array(path)
            self._check_rows(path, len(mask))
            if mask.shape != (self.rows, self.length):
                raise DataError(f'{path}: shape {mask.shape}, where the features have {self.length} segments')
            return mask != 0
        return self.annotations.mask(self.length) if self.use_annotations and self.annotations else None

    def segments(self) -> np.ndarray:
        """Class of each segment."""
        path = self.folder / 'labels.h5'
        if self._has('labels.h5'):
            labels = check_one_hot(read_array(path), path, 3)
            self._check_rows(path, len(labels))
            if labels.shape[1] != self.length:
                raise DataError(f'{path}: {labels.shape[1]} segments, where the features have {self.length}')
            return labels
        if self.use_annotations and self.annotations:
            return self.annotations.segments(self.length)
        if self._has('labels_closs.h5') and self._has('mil_labels.h5'):
            return segment_classes(self.classes(), self.mask())
        others = f' and no {ANNOTATIONS}' if self.use_annotations else ''
        raise DataError(f'{path}: there are no labels of segments, neither this file{others}; '
                        'tools/dataset_converters/ave.py makes them from Annotations.txt')
