"""Features of clips in the files in which they are published: one a modality, stage and class."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avmm.datasets.row_reader import open_h5
from avmm.utils import DataError
from avmm.utils.safe_pickle import load_pickle
from projects.tcaf.tcaf.class_splits import STAGES

#: Folder of each modality.
FOLDERS = {'audio': 'audio', 'visual': 'video'}
SUFFIXES = {'temporal': '.pkl', 'averaged': '.h5'}


@dataclass(frozen=True)
class ClassFile:
    """Clips of one class in one stage, of one modality.

    Attributes:
        names: Names of the clips.
        features: One array a clip: ``(T, D)``, or ``(D,)`` if averaged over time.
    """
    names: list[str]
    features: list[np.ndarray]


def read_temporal(path: str | os.PathLike) -> ClassFile:
    """Read a pickle of sequences: ``features``, arrays ``(T, D)``, and ``video_names``; ``fps`` is not used.

    Raises:
        DataError: If the file is missing, torn, or something else.
    """
    content = load_pickle(path)
    if not isinstance(content, dict) or not {'features', 'video_names'} <= set(content):
        raise DataError(f'{path}: a dictionary with features and video_names is expected')
    return _checked(path, content['video_names'], [np.asarray(f) for f in content['features']], 2)


def read_averaged(path: str | os.PathLike) -> ClassFile:
    """Read an HDF5 file of means over time: ``data`` ``(N, D)`` and the names ``video_urls`` ``(N,)``.

    Raises:
        DataError: If the file is missing, damaged, or something else.
    """
    with open_h5(path) as file:
        if not all(isinstance(file.get(name), h5py.Dataset) for name in ('data', 'video_urls')):
            raise DataError(f'{path}: data sets called data and video_urls are expected')
        return _checked(path, file['video_urls'][:].tolist(), list(file['data'][:]), 1)


def _checked(path: str | os.PathLike, names: Any, features: list[np.ndarray], dims: int) -> ClassFile:
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    if len(names) != len(features):
        raise DataError(f'{path}: {len(features)} clips with {len(names)} names')
    for name, feature in zip(names, features, strict=True):
        if feature.ndim != dims or feature.dtype.kind not in 'fiu' or feature.shape[-1] != features[0].shape[-1] \
                or len(feature) == 0:
            shape = '(T, D)' if dims == 2 else '(D,)'
            raise DataError(f'{path}: numbers {shape} are expected, {name!r} has {feature.dtype} {feature.shape}')
    return ClassFile(names, features)


@dataclass
class FeatureFolder:
    """A folder of published features, such as ``UCF/features/cls_features_non_averaged``::

        audio/<stage>/<class>.pkl   video/<stage>/<class>.pkl     sequences: numbers (T, D) a clip
        audio/<stage>/<class>.h5    video/<stage>/<class>.h5      or means over time: (D,) a clip

    A class with a slash in its name lies in a folder of its own. Files of other stages are ignored.

    Attributes:
        path: The folder.
        kind: ``'temporal'`` or ``'averaged'``, as the files are.
        files: ``(stage, class)`` of all files, by stage and then by name: the order in which a file system lists them
            is of no account.

    Raises:
        DataError: If there are no files, those of a modality are missing, or both kinds are there.
    """
    path: Path
    kind: str = field(init=False)
    files: list[tuple[str, str]] = field(init=False)

    def __post_init__(self):
        self.path = Path(self.path)
        kinds = [kind for kind in SUFFIXES if next(self.path.glob(f'audio/*/**/*{SUFFIXES[kind]}'), None)]
        if len(kinds) != 1:
            what = 'both .pkl and .h5 files' if kinds else 'no features (audio/<stage>/<class>.pkl or .h5)'
            raise DataError(f'{self.path}: {what}')
        self.kind, = kinds
        listed = {modality: [(stage, name) for stage in STAGES for name in self._classes(modality, stage)]
                  for modality in FOLDERS}
        alone = sorted(set(listed['audio']) ^ set(listed['visual']))
        if alone:
            raise DataError(f'{self.path}: {"/".join(alone[0])} has features of one modality alone')
        self.files = listed['audio']
        if not self.files:
            raise DataError(f'{self.path}: no features of the stages {", ".join(STAGES)}')

    def _classes(self, modality: str, stage: str) -> list[str]:
        folder, suffix = self.path / FOLDERS[modality] / stage, SUFFIXES[self.kind]
        return sorted(file.relative_to(folder).as_posix()[:-len(suffix)] for file in folder.rglob(f'*{suffix}'))

    def file(self, modality: str, stage: str, name: str) -> Path:
        """The file of a class."""
        return self.path / FOLDERS[modality] / stage / f'{name}{SUFFIXES[self.kind]}'

    def read(self, modality: str, stage: str, name: str) -> ClassFile:
        """Read the file of a class."""
        reader = read_temporal if self.kind == 'temporal' else read_averaged
        return reader(self.file(modality, stage, name))

    def read_both(self, stage: str, name: str) -> dict[str, ClassFile]:
        """Read both files of a class.

        Raises:
            DataError: If they do not have the same clips in the same order.
        """
        files = {modality: self.read(modality, stage, name) for modality in FOLDERS}
        if files['audio'].names != files['visual'].names:
            raise DataError(f'{self.file("audio", stage, name)}: its clips or their order differ from those of '
                            f'{self.file("visual", stage, name)}')
        return files
