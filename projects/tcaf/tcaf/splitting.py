"""Which clips belong to which stage and class, and bringing extracted features into that order."""
from __future__ import annotations

import csv
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from avmm.datasets.feature_store import FeatureStore
from avmm.utils import DataError
from avmm.utils.safe_pickle import load_pickle
from projects.tcaf.tcaf.class_splits import STAGES
from projects.tcaf.tcaf.feature_files import FOLDERS, ClassFile
from projects.tcaf.tcaf.packing import ClipWriter
from projects.tcaf.tcaf.tensor_pickles import as_text, load_tensor_pickle

#: ``{(stage, class): names of its clips}``.
ClipLists = dict[tuple[str, str], list[str]]


def read_clip_lists(folder: str | os.PathLike, class_split: str = 'cls_split') -> ClipLists:
    """Clips of all stages by the published tables ``class-split/<class_split>/<stage>.csv``.

    The columns ``filename`` and ``label`` count, wherever they stand::

        filename,label,label_code
        v_Archery_g01_c06,Archery,2

    Raises:
        DataError: If a table is missing (that of the first stage of VGGSound was never published; take the mapping
            pickle instead), or has other columns.
    """
    folder = next((Path(folder, name) for name in ('class-split', 'class_split') if Path(folder, name).is_dir()),
                  Path(folder))
    lists: ClipLists = {}
    for stage in STAGES:
        path = folder / class_split / f'{stage}.csv'
        try:
            rows = list(csv.DictReader(path.read_text(encoding='utf-8-sig').splitlines()))
        except FileNotFoundError:
            raise DataError(f'{path}: the table of clips is missing; take the mapping pickle with --mapping') from None
        if not rows or not {'filename', 'label'} <= set(rows[0]):
            raise DataError(f'{path}: columns called filename and label are expected')
        for row in rows:
            lists.setdefault((stage, row['label']), []).append(row['filename'])
    return lists


def read_mapping(path: str | os.PathLike) -> ClipLists:
    """Clips by a published mapping, a pickled dictionary from files to names::

        {'/avgzsl_benchmark_datasets/UCF/features/cls_features/audio/stage_1_train/Archery.h5': [b'v_Archery_g01_c01']}

    Files of other stages are left out; a class may have slashes in its name.

    Raises:
        DataError: If it is missing, torn, or something else.
    """
    content, lists = load_pickle(path), {}
    if not isinstance(content, dict):
        raise DataError(f'{path}: a dictionary from files to names of clips is expected')
    for file, names in content.items():
        parts = PurePosixPath(str(file)).parts
        stage = next((i for i, part in enumerate(parts) if part in STAGES), None)
        if stage is not None:
            name = '/'.join(parts[stage + 1:])
            lists[parts[stage], name.removesuffix('.h5').removesuffix('.pkl')] = [as_text(n) for n in names]
    if not lists:
        raise DataError(f'{path}: no file of the stages {", ".join(STAGES)} is named')
    return lists


def checked_mappings(audio: ClipLists, visual: ClipLists) -> ClipLists:
    """The clips that mappings of both modalities agree on.

    Raises:
        DataError: If they differ.
    """
    if audio != visual:
        differing = sorted(key for key in {*audio, *visual} if audio.get(key) != visual.get(key))
        raise DataError(f'the mappings of sound and frames differ, first in {"/".join(differing[0])}')
    return audio


# Extracted features -------------------------------------------------------------------------------------------------

class Extracted:
    """Features of clips by name, from a feature store or from what the published extraction scripts leave.

    These are pickles of lists, an item a clip: ``[frames (T, D), class, sound (T, D), file name]``, where SeLaVi wraps
    the name in a tuple. A file name counts up to its first dot, with ``cut`` at least.

    Args:
        paths: A feature store with the arrays ``audio`` and ``visual``, or pickles.
        cut: Whether names end at their first dot, as those of C3D and VGGish features do.

    Raises:
        DataError: If a file is missing, torn, or something else.
    """

    def __init__(self, paths: Iterable[str | os.PathLike], cut: bool = True):
        self._read: dict[str, Callable[[], dict[str, np.ndarray]]] = {}
        for path in paths:
            found = self._of_store(path) if Path(path).suffix == '.h5' else self._of_pickle(path)
            for name, read in found:
                self._read.setdefault(name.split('.')[0] if cut else name, read)
        if not self._read:
            raise DataError('no extracted features are given')

    def __contains__(self, name: object) -> bool:
        return name in self._read

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._read)

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        """Features of a clip ``{modality: (T, D)}``."""
        return self._read[name]()

    def any(self) -> dict[str, np.ndarray]:
        """Features of one of the clips."""
        return next(iter(self._read.values()))()

    @staticmethod
    def _of_store(path: str | os.PathLike) -> Iterator[tuple[str, Callable[[], dict[str, np.ndarray]]]]:
        store = FeatureStore(path)
        arrays = {m: store[m] for m in FOLDERS}
        for i, key in enumerate(store.keys):
            yield key, lambda i=i: {m: array[i] for m, array in arrays.items()}

    @staticmethod
    def _of_pickle(path: str | os.PathLike) -> Iterator[tuple[str, Callable[[], dict[str, np.ndarray]]]]:
        content = load_tensor_pickle(path)
        for item in content if isinstance(content, (list, tuple)) else [None]:
            try:
                frames, _, sound, name = item
            except (TypeError, ValueError):
                raise DataError(f'{path}: a list of [frames, class, sound, name] is expected') from None
            name = as_text(name[0] if isinstance(name, (list, tuple)) else name)
            yield name, lambda a=sound, v=frames: dict(audio=np.asarray(a), visual=np.asarray(v))


def split_features(extracted: Extracted, lists: Mapping[tuple[str, str], list[str]], out: str | os.PathLike,
                   overwrite: bool = False, progress: Callable[[list], Iterable] | None = None) -> list[str]:
    """Bring features into stages and classes, straight into a packed file.

    A clip may be in several stages; clips without features, whose extraction failed, are left out.

    Args:
        extracted: Features by name.
        lists: Clips of each stage and class.
        out: The file to make.
        overwrite: Whether a file at ``out`` is replaced.
        progress: Called with the list of classes; returns what is iterated in its place.

    Returns:
        The names of clips that are left out.

    Raises:
        DataError: If there are features of no clip at all, or they do not fit each other.
    """
    there, missing = _divided(extracted, lists)
    files = list(there)
    like = extracted.any()
    kind = 'temporal' if like['audio'].ndim == 2 else 'averaged'
    with ClipWriter(out, kind, files, {m: x.shape[-1] for m, x in like.items()},
                    {m: x.dtype.name for m, x in like.items()}, 'extracted', overwrite) as writer:
        for stage, name in files if progress is None else progress(files):
            clips = there[stage, name]
            if not writer.has(stage, name, clips):
                features = [extracted[clip] for clip in clips]
                writer.add(stage, name, {m: ClassFile(clips, [f[m] for f in features]) for m in FOLDERS})
    return missing


def write_class_files(extracted: Extracted, lists: Mapping[tuple[str, str], list[str]], folder: str | os.PathLike,
                      progress: Callable[[list], Iterable] | None = None) -> list[str]:
    """Bring sequences into the published files ``{audio,video}/<stage>/<class>.pkl``; see :func:`split_features`.

    Args:
        extracted: Features by name.
        lists: Clips of each stage and class.
        folder: Folder of the features, such as ``UCF/features/cls_features_non_averaged``.
        progress: Called with the list of classes; returns what is iterated in its place.

    Returns:
        The names of clips that are left out.

    Raises:
        DataError: If there are features of no clip at all.
    """
    there, missing = _divided(extracted, lists)
    for stage, name in there if progress is None else progress(list(there)):
        features = [extracted[clip] for clip in there[stage, name]]
        for modality, subfolder in FOLDERS.items():
            path = Path(folder, subfolder, stage, f'{name}.pkl')
            path.parent.mkdir(parents=True, exist_ok=True)
            content = dict(features=[f[modality] for f in features], fps=[25] * len(features),
                           video_names=[clip.encode() for clip in there[stage, name]])
            unfinished = path.with_name(f'.{path.name}.tmp')
            with open(unfinished, 'wb') as file:
                pickle.dump(content, file, protocol=4)
            os.replace(unfinished, path)
    return missing


def _divided(extracted: Extracted, lists: Mapping[tuple[str, str], list[str]]) -> tuple[ClipLists, list[str]]:
    """Clips that have features, stage by stage and class by class, and those that have none."""
    missing = sorted({name for names in lists.values() for name in names if name not in extracted})
    there = {key: [name for name in lists[key] if name in extracted]
             for key in sorted(lists, key=lambda key: (STAGES.index(key[0]), key[1]))}
    there = {key: names for key, names in there.items() if names}
    if not there:
        raise DataError(f'none of the {len(missing)} clips has features, such as {missing[0]!r}; '
                        'are their names those of the lists?')
    return there, missing
