"""From the published files of features to one packed file that is read in batches."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.cache_files import CacheFolder
from projects.tcaf.tcaf.feature_files import FOLDERS, ClassFile, FeatureFolder

#: What a packed file says about itself.
MADE_BY = 'gzsl_features'


class PackedClips:
    """A packed file, opened: a :class:`~avmm.datasets.feature_store.FeatureStore` with the arrays ``audio`` and
    ``visual``, ``(T, D)`` or ``(D,)`` a clip, and the numbers ``stage`` and ``class`` of each clip, whose names are in
    its meta information.

    Args:
        path: The file.

    Attributes:
        store: The store.
        kind: ``'temporal'`` or ``'averaged'``.
        stages, classes: Names by number.
        stage, label: Numbers of the stage and of the class of every clip ``(N,)``.

    Raises:
        DataError: If it is missing, damaged, or no packed file of this benchmark.
    """

    def __init__(self, path: str | os.PathLike):
        self.store = FeatureStore(path)
        meta = self.store.meta
        if meta.get('made_by') != MADE_BY:
            raise DataError(f'{path}: a feature store, but none of projects/tcaf/tools/pack_features.py')
        self.kind, self.stages, self.classes = meta['kind'], list(meta['stages']), list(meta['classes'])
        everything = np.arange(len(self.store))
        self.stage = self.store['stage'].gather(everything)
        self.label = self.store['class'].gather(everything)

    def names(self, items: Iterable[int]) -> list[str]:
        """Names of the clips at ``items``, without stage and class."""
        keys = self.store.keys
        return [keys[i][len(clip_key(self.stages[self.stage[i]], self.classes[self.label[i]], '')):] for i in items]


class ClipWriter:
    """Writes a packed file, class by class; see :class:`~avmm.datasets.feature_store_writer.FeatureStoreWriter`.

    Args:
        path: The file to make.
        kind: ``'temporal'`` or ``'averaged'``.
        files: ``(stage, class)`` of all that will come.
        channels: Channels D of each modality.
        dtypes: Type of the numbers of each modality.
        source: Where they come from, for whoever reads the file.
        overwrite: Whether a file at ``path`` is replaced.
    """

    def __init__(self, path: str | os.PathLike, kind: str, files: list[tuple[str, str]], channels: dict[str, int],
                 dtypes: dict[str, str], source: str = '', overwrite: bool = False):
        self.stages = list(dict.fromkeys(stage for stage, _ in files))
        self.classes = sorted({name for _, name in files})
        length = (None, ) if kind == 'temporal' else ()
        arrays = {m: ArraySpec((*length, channels[m]), dtypes[m]) for m in FOLDERS}
        arrays.update(stage=ArraySpec((), 'int64'), **{'class': ArraySpec((), 'int64')})
        meta = dict(made_by=MADE_BY, kind=kind, stages=self.stages, classes=self.classes, source=source)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.writer = FeatureStoreWriter(path, arrays, meta=meta, overwrite=overwrite)

    def has(self, stage: str, name: str, clips: list[str]) -> bool:
        """Whether all of these clips are there."""
        return all(key in self.writer for key in clip_keys(stage, name, clips))

    def add(self, stage: str, name: str, files: dict[str, ClassFile]) -> None:
        """Add those clips of a class that are not there yet."""
        keys = clip_keys(stage, name, files['audio'].names)
        left = [i for i, key in enumerate(keys) if key not in self.writer]
        values = {modality: [file.features[i] for i in left] for modality, file in files.items()}
        values['stage'] = [self.stages.index(stage)] * len(left)
        values['class'] = [self.classes.index(name)] * len(left)
        self.writer.add_batch([keys[i] for i in left], values)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, *error) -> None:
        self.writer.__exit__(*error)


def clip_key(stage: str, name: str, clip: str) -> str:
    """Name of a clip in a packed file."""
    return f'{stage}/{name}/{clip}'


def clip_keys(stage: str, name: str, clips: list[str]) -> list[str]:
    """Names of the clips of a class in a packed file; a clip that comes again gets a number."""
    seen: Counter = Counter()
    keys = []
    for clip in clips:
        seen[clip] += 1
        keys.append(clip_key(stage, name, clip if seen[clip] == 1 else f'{clip}#{seen[clip]}'))
    return keys


def pack_features(folder: str | os.PathLike | FeatureFolder | CacheFolder, out: str | os.PathLike,
                  dtype: str | None = None, average: bool = False, overwrite: bool = False,
                  progress: Callable[[list], Iterable] | None = None) -> str:
    """Copy the published features of a folder into one file.

    An interrupted copy goes on where it was. The clips keep their order: by stage, class and place in the file.

    Args:
        folder: Folder of the features, as ``UCF/features/cls_features_non_averaged``, or a source of that kind.
        out: The file to make.
        dtype: Type of what is no whole number, as ``'float16'``. Defaults to that of the files.
        average: Whether sequences become their means over time ``(D,)``, float32 unless ``dtype`` says otherwise.
        overwrite: Whether a file at ``out`` is replaced.
        progress: Called with the list of classes; returns what is iterated in its place.

    Returns:
        The content key of the store.

    Raises:
        DataError: If a file is missing or damaged, or does not fit the others.
        ConfigError: If means are asked for of what is averaged already.
    """
    source = FeatureFolder(folder) if isinstance(folder, (str, os.PathLike)) else folder
    if average and source.kind == 'averaged':
        raise ConfigError(f'{source.path}: these features are averaged already; leave average out')
    first = source.read_both(*source.files[0])
    samples = {modality: file.features[0] for modality, file in first.items()}
    dtypes = {}
    for modality, sample in samples.items():
        is_float = sample.dtype.kind == 'f' or average
        dtypes[modality] = dtype or ('float32' if average else sample.dtype.name) if is_float else sample.dtype.name
    kind = 'averaged' if average else source.kind
    with ClipWriter(out, kind, source.files, {m: x.shape[-1] for m, x in samples.items()}, dtypes,
                    source.path.name, overwrite) as writer:
        for stage, name in source.files if progress is None else progress(source.files):
            # The sounds are small; what has been packed before is known by them.
            if writer.has(stage, name, source.read('audio', stage, name).names):
                continue
            files = source.read_both(stage, name)
            writer.add(stage, name, {m: averaged(f) for m, f in files.items()} if average else files)
    return FeatureStore(out).content_key


def averaged(file: ClassFile) -> ClassFile:
    """Means over time ``(D,)``, float32, of sequences ``(T, D)``."""
    return ClassFile(file.names, [feature.mean(0, dtype=np.float64).astype(np.float32) for feature in file.features])
