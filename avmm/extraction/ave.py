"""AVE: a row for every line of Annotations.txt, and the files that the official programs read."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import h5py

from avmm.datasets.ave_features import FILES
from avmm.datasets.ave_files import KEY, read_annotations
from avmm.datasets.feature_store import FeatureStore
from avmm.extraction.items import VIDEO_SUFFIXES, Item
from avmm.utils import DataError

# Items that are copied at once.
_BLOCK = 32


def ave_items(annotations: str | os.PathLike, videos: str | os.PathLike,
              suffixes: Sequence[str] = VIDEO_SUFFIXES) -> list[Item]:
    """An item for every line of Annotations.txt, in its order: row i of all files of AVE is line i.

    The published list has 4143 lines of 4097 videos: some have more than one event, and as many rows, with the same
    features.

    Args:
        annotations: Lines ``Category&YouTube id&Quality&Start&End``.
        videos: Folder of the clips of ten seconds, ``<YouTube id>.mp4`` or another ending. One that is missing fails
            when its turn comes.
        suffixes: Endings to look for.

    Raises:
        DataError: If the list or the folder cannot be read.
    """
    names = read_annotations(annotations).names
    try:
        files = sorted(os.listdir(videos), reverse=True)
    except OSError as error:
        raise DataError(f'{videos}: the folder of the videos cannot be read ({error.strerror})') from None
    found = {Path(name).stem: name for suffix in reversed(suffixes) for name in files if name.lower().endswith(suffix)}
    return [Item(f'row_{i:04d}', os.path.join(videos, found.get(name, f'{name}.mp4'))) for i, name in enumerate(names)]


def write_official(store: str | os.PathLike, folder: str | os.PathLike, dtype: str = 'float64') -> list[Path]:
    """Write a store as the official programs want it: ``audio_feature.h5`` and ``visual_feature.h5``, each with one
    data set ``avadataset`` ``(N, S, ...)``.

    Args:
        store: A store with the arrays ``audio``, ``visual`` or ``visual_vec``.
        folder: Where the files go; they appear under their names when they are whole.
        dtype: Type of the numbers; that of the published files by default.

    Returns:
        The files.

    Raises:
        DataError: If the store has none of these arrays, or one whose length varies.
    """
    features, folder = FeatureStore(store), Path(folder)
    names = [name for name in FILES if name in features]
    varying = [name for name in names if features[name].spec.varies]
    if varying or not names:
        what = f'the length of {varying[0]!r} varies' if varying else f'has none of {", ".join(FILES)}'
        raise DataError(f'{features.path}: {what}; the official files of AVE need arrays of (segments, ...)')
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names:
        array, path = features[name], folder / f'{FILES[name]}.h5'
        unfinished = path.with_name(f'.{path.name}.tmp')
        with h5py.File(unfinished, 'w') as file:
            rows = file.create_dataset(KEY, (len(features), *array.shape), dtype)
            for first in range(0, len(features), _BLOCK):
                stop = min(first + _BLOCK, len(features))
                rows[first:stop] = array.gather(range(first, stop), dtype=dtype)
        with open(unfinished, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        written.append(path)
    return written
