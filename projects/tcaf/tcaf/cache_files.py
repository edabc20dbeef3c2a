"""What the published programs keep of a first run, as a source of features."""
from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from avmm.utils import DataError
from projects.tcaf.tcaf.class_splits import SPLITS, ClassSplit
from projects.tcaf.tcaf.feature_files import ClassFile
from projects.tcaf.tcaf.tensor_pickles import as_text, load_tensor_pickle

#: Files of the splits; that of both, ``train_val``, has nothing that these have not.
FILES = {'train': 'training', 'val': 'val', 'test': 'test'}
SOURCES = {'audio': 'audio', 'visual': 'video'}


class CacheFolder:
    """A folder ``_features_processed/<features>`` with ``training<class split>.pkl``, ``val...`` and ``test...``.

    Each is a pickled dictionary with ``audio`` and ``video``, dictionaries of ``data`` (sequences, or a tensor of
    means over time), ``target`` (class numbers) and ``url`` (names). It offers what
    :class:`~projects.tcaf.tcaf.feature_files.FeatureFolder` does; all of a split is held in memory.

    Args:
        path: The folder.
        split: The classes.
        class_split: Which division it was made with.

    Raises:
        DataError: If a file is missing, torn, or something else.
    """

    def __init__(self, path: str | os.PathLike, split: ClassSplit, class_split: str = 'cls_split'):
        self.path, self.split, self.class_split = Path(path), split, class_split

    @staticmethod
    def is_one(path: str | os.PathLike) -> bool:
        """Whether a folder holds such files."""
        return any(Path(path).glob('training*.pkl'))

    @cached_property
    def _classes(self) -> dict[tuple[str, str], dict[str, ClassFile]]:
        found: dict[tuple[str, str], dict[str, ClassFile]] = {}
        for name, file in FILES.items():
            path = self.path / f'{file}{self.class_split}.pkl'
            content = load_tensor_pickle(path)
            parts = {modality: _checked(path, content, source) for modality, source in SOURCES.items()}
            if parts['audio'][1:] != parts['visual'][1:]:
                raise DataError(f'{path}: the clips of sound and frames or their order differ')
            targets = np.array(parts['audio'][1])
            for stage in SPLITS[name]:
                for number in self.split.stages[stage].tolist():
                    rows = np.flatnonzero(targets == number)
                    if len(rows):
                        found[stage, self.split.names[number]] = {
                            m: ClassFile([part[2][i] for i in rows], [part[0][i] for i in rows])
                            for m, part in parts.items()}
        return found

    @property
    def kind(self) -> str:
        """``'temporal'`` or ``'averaged'``."""
        first = next(iter(self._classes.values()))
        return 'temporal' if first['audio'].features[0].ndim == 2 else 'averaged'

    @property
    def files(self) -> list[tuple[str, str]]:
        """``(stage, class)`` of all there are."""
        return list(self._classes)

    def read(self, modality: str, stage: str, name: str) -> ClassFile:
        """Clips of a class."""
        return self._classes[stage, name][modality]

    def read_both(self, stage: str, name: str) -> dict[str, ClassFile]:
        """Clips of a class, of both modalities."""
        return dict(self._classes[stage, name])


def _checked(path: Path, content: Any, source: str) -> tuple[list[np.ndarray], list[int], list[str]]:
    try:
        part = content[source]
        data = [np.asarray(clip) for clip in part['data']]
        targets, names = [int(t) for t in part['target']], [as_text(name) for name in part['url']]
    except (KeyError, TypeError, ValueError):
        raise DataError(f'{path}: {source} with data, target and url is expected') from None
    if not len(data) == len(targets) == len(names) or not data or data[0].ndim not in (1, 2):
        raise DataError(f'{path}: {source} has {len(data)} clips, {len(targets)} classes and {len(names)} names')
    return data, targets, names
