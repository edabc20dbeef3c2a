"""Features of AVE, from the published files or from packed ones."""
from __future__ import annotations

import os
from collections.abc import ItemsView, Sequence

import numpy as np
from torch import Tensor

from avmm.datasets.ave_files import KEY, STORE, STORE_NOISY
from avmm.datasets.feature_store import FeatureStore
from avmm.datasets.row_reader import Rows, open_rows
from avmm.utils import DataError

STORAGES = ('auto', 'h5', 'store')
VISUALS = ('maps', 'vectors')
#: Published files by the name of the array in a store.
FILES = {'audio': 'audio_feature', 'visual': 'visual_feature', 'visual_vec': 'visual_feature_vec'}


class Feature:
    """Features of one modality.

    Args:
        videos: Reader of the videos.
        background: Reader of the videos of background, if they are used.
        pool: Whether the maps ``(S, h, w, D)`` that are read become their spatial means ``(S, D)``.

    Attributes:
        shape: Shape of a video, ``(S, ...)``.
    """

    def __init__(self, videos: Rows, background: Rows | None, pool: bool = False):
        self.videos, self.background, self.pool = videos, background, pool
        shape = videos.row_shape
        if len(shape) < 2 or (pool and len(shape) != 4):
            raise DataError(f'{videos.path}: features have shape (N, S, ...), maps (N, S, h, w, D); '
                            f'got {videos.shape}')
        if background is not None and background.row_shape != shape:
            raise DataError(f'{background.path}: items have shape {background.row_shape}, '
                            f'those of {os.path.basename(videos.path)} {shape}')
        self.shape = (shape[0], *shape[3:]) if pool else shape

    @property
    def dtype(self) -> np.dtype:
        """Type in the file, in the byte order of the machine."""
        return self.videos.dtype.newbyteorder('=')

    def read(self, rows: np.ndarray, background: np.ndarray, out: Tensor) -> None:
        """Fill ``out`` ``(B, S, ...)`` with the rows ``(B,)``; ``background`` ``(B,)`` says whose rows they are."""
        out = out.numpy()
        for reader, chosen in ((self.videos, ~background), (self.background, background)):
            if not chosen.any():
                continue
            places = np.flatnonzero(chosen)
            if self.pool:
                wide = np.promote_types(out.dtype, np.float32)
                out[places] = reader.gather(rows[chosen], dtype=wide).mean((2, 3))
            else:
                reader.gather(rows[chosen], out, places=places)


class AVEFeatures:
    """Readers of all features of a data set.

    Args:
        folder: Folder of the data set.
        storage: ``'h5'``, ``'store'``, or ``'auto'`` for the store if there is one.
        modalities: What to read.
        visual: ``'maps'`` or ``'vectors'``; vectors are computed from maps where they are not stored.
        background: Whether the videos of background are read as well.

    Attributes:
        rows: Number of videos.
        background_rows: Number of videos of background, 0 without them.
        segments: Number of segments of a video.

    Raises:
        DataError: If a file is missing or damaged, or files do not fit each other.
    """

    def __init__(self, folder: str | os.PathLike, storage: str = 'auto',
                 modalities: Sequence[str] = ('audio', 'visual'), visual: str = 'maps', background: bool = False):
        self.folder = os.fspath(folder)
        packed = storage == 'store' or (storage == 'auto' and os.path.isfile(self._path(STORE)))
        videos = self._opener(packed, STORE, '')
        noisy = self._opener(packed, STORE_NOISY, '_noisy') if background else None
        self._features = {}
        for name in modalities:
            wanted = 'visual_vec' if name == 'visual' and visual == 'vectors' else name
            # The means of background videos are published nowhere.
            pool = wanted == 'visual_vec' and (videos(wanted) is None or (noisy and noisy(wanted) is None))
            array = 'visual' if pool else wanted
            self._features[name] = Feature(videos(array), noisy and noisy(array), bool(pool))
        first = next(iter(self._features.values()))
        self.rows, self.segments = len(first.videos), first.shape[0]
        self.background_rows = len(first.background) if background else 0
        for feature in self._features.values():
            self.check_rows(feature.videos.path, len(feature.videos))
            if background:
                self.check_rows(feature.background.path, len(feature.background), background=True)
            if feature.shape[0] != self.segments:
                raise DataError(f'{feature.videos.path}: {feature.shape[0]} segments, {first.videos.path} has '
                                f'{self.segments}')

    def items(self) -> ItemsView[str, Feature]:
        """``(modality, feature)`` of every modality."""
        return self._features.items()

    def check_rows(self, path: str, count: int, background: bool = False) -> None:
        """Raise :class:`DataError` unless a file has as many rows as the features."""
        expected = self.background_rows if background else self.rows
        if count != expected:
            raise DataError(f'{path}: {count} rows, where the features of {self.folder} have {expected}')

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _opener(self, packed: bool, store_name: str, suffix: str):
        """A function from the name of an array to its reader; None for vectors that are not stored."""
        if packed:
            store = FeatureStore(self._path(store_name))
            return lambda name: store[name].rows if name in store or name != 'visual_vec' else None

        def open_file(name: str) -> Rows | None:
            path = self._path(f'{FILES[name]}{suffix}.h5')
            return open_rows(path, KEY) if name != 'visual_vec' or os.path.isfile(path) else None

        return open_file
