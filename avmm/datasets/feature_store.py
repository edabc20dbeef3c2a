"""Features of many items in one file, read in batches.

A store is an HDF5 file that any HDF5 program can open::

    keys                 (N,)            names of the items, fixed-length bytes (UTF-8)
    arrays/<name>        (N, ...)        numbers of fixed shape an item, contiguous
    arrays/<name>        (total, ...)    or, with ``offsets/<name>``, of a length that varies from item to item
    offsets/<name>       (N + 1,)        item i has the rows offsets[i] to offsets[i + 1], int64
    digests/<name>       (blocks, 16)    BLAKE2b of each ``block_bytes`` bytes of the array
    content_key          ()              digest of all that is above

Attributes of the file: ``format`` (``avmm.feature_store``), ``version``, ``block_bytes`` and ``meta``, a JSON text of
whatever the maker wants to say.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from torch import Tensor

from avmm.datasets.row_reader import ChunkedRows, Rows, open_h5, rows_of
from avmm.utils import ConfigError, DataError

FORMAT, VERSION = 'avmm.feature_store', 1
BLOCK_BYTES = 4 << 20
DIGEST_BYTES = 16


@dataclass(frozen=True)
class ArraySpec:
    """Shape and type of one array of a store.

    Attributes:
        shape: Shape of an item; a first ``None`` means that the length varies, as in ``(None, 512)``.
        dtype: NumPy name of the type, such as ``'float16'`` or ``'uint8'``.

    Raises:
        ConfigError: If the two do not describe an array of numbers.
    """
    shape: tuple[int | None, ...]
    dtype: str = 'float32'

    def __post_init__(self):
        object.__setattr__(self, 'shape', tuple(self.shape))
        try:
            dtype = np.dtype(self.dtype)
        except TypeError:
            dtype = None
        if dtype is None or dtype.kind not in 'fiub':
            raise ConfigError(f'{self.dtype!r} is no type of numbers; try float32, float16, int64 or uint8')
        object.__setattr__(self, 'dtype', dtype.newbyteorder('=').name)
        if any(not isinstance(n, (int, np.integer)) or n < 1 for n in self.row_shape):
            raise ConfigError(f'the shape {self.shape} of an item needs positive sizes; only the first may be None')

    @property
    def varies(self) -> bool:
        """Whether the length differs from item to item."""
        return self.shape[:1] == (None, )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of what is stored for one index of the array: an item, or one of the rows of an item."""
        return self.shape[1:] if self.varies else self.shape

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.row_shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class StoredArray:
    """One array of a store.

    Attributes:
        name: Its name.
        spec: Shape and type of an item.
        offsets: Where the rows of the items begin ``(N + 1,)``; None if every item has the same shape.
    """

    def __init__(self, name: str, spec: ArraySpec, rows: Rows, offsets: np.ndarray | None):
        self.name, self.spec, self.offsets = name, spec, offsets
        self.rows = rows

    def __len__(self) -> int:
        """Number of items."""
        return len(self.rows if self.offsets is None else self.offsets[1:])

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape of an item, its first size None if that varies."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers in the file."""
        return np.dtype(self.spec.dtype)

    @property
    def lengths(self) -> np.ndarray:
        """Length of every item ``(N,)`` of an array whose length varies."""
        if self.offsets is None:
            raise ConfigError(f'{self.name!r} has items of one shape, {self.shape}; it has no lengths')
        return np.diff(self.offsets)

    def gather(self, indices: Sequence[int], out: np.ndarray | Tensor | None = None, dtype: str | None = None):
        """Read the items at ``indices`` in one go.

        Args:
            indices: Item numbers ``(B,)``, in any order, also repeated.
            out: Array or tensor to fill, ``(B, ...)`` or ``(rows of all items, ...)``. Defaults to a new array.
            dtype: Type of a new array. Defaults to that of the file.

        Returns:
            ``(B, ...)``. If the length varies: the rows of all items one after the other, and their lengths ``(B,)``;
            ``np.split(rows, np.cumsum(lengths)[:-1])`` parts them.

        Raises:
            DataError: If there is no such item, or the file is damaged.
        """
        if self.offsets is None:
            return self.rows.gather(indices, out, dtype)
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise DataError(f'{self.rows.path}: {self.name!r} has {len(self)} items, '
                            f'numbers {indices.min()} to {indices.max()} are asked for')
        return self.rows.gather(self.row_numbers(indices), out, dtype), self.lengths[indices]

    def row_numbers(self, indices: np.ndarray) -> np.ndarray:
        """Numbers of the rows of the items at ``indices`` ``(B,)``, one item after the other, int64."""
        if self.offsets is None:
            return indices
        firsts, lengths = self.offsets[indices], self.offsets[indices + 1] - self.offsets[indices]
        # A count that starts anew at every item.
        ends = np.cumsum(lengths)
        return np.arange(lengths.sum()) + np.repeat(firsts - (ends - lengths), lengths)

    def __getitem__(self, index: int) -> np.ndarray:
        """One item; a negative index counts from the end."""
        index = int(index) + (len(self) if index < 0 else 0)
        return self.gather([index])[0]


class FeatureStore:
    """A store, opened for reading; ``store[name]`` is a :class:`StoredArray`, ``len(store)`` the number of items.

    Rows are read from the file into the memory where they are wanted. An object keeps names and offsets alone, so it
    may be copied into any number of workers.

    Args:
        path: The file.

    Raises:
        DataError: If the file is missing, empty, truncated or no feature store.

    Example:
        >>> store = FeatureStore('data/ave/features.h5')  # doctest: +SKIP
        >>> store['visual'].gather([7, 3, 3]).shape  # doctest: +SKIP
        (3, 10, 7, 7, 512)
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        with open_h5(self.path) as file:
            self._read_header(file)
            self._arrays = {name: self._open_array(file, name) for name in file.get('arrays', ())}
        self._index: dict[str, int] | None = None

    def _read_header(self, file: h5py.File) -> None:
        if file.attrs.get('format') != FORMAT:
            raise DataError(f'{self.path}: an HDF5 file, but no feature store of AVMM')
        version = int(file.attrs['version'])
        if version > VERSION:
            raise DataError(f'{self.path}: written by a newer AVMM (version {version} of the format, this one reads '
                            f'{VERSION}); update AVMM')
        try:
            self.content_key = file['content_key'][()].decode()
            self.meta: dict[str, Any] = json.loads(file.attrs['meta'])
            self._names = file['keys'][:]
            self._block_bytes = int(file.attrs['block_bytes'])
        except (KeyError, ValueError, OSError) as error:
            raise DataError(f'{self.path}: the feature store is damaged ({error}); make or copy it again') from None

    def _open_array(self, file: h5py.File, name: str) -> StoredArray:
        rows = rows_of(file, f'arrays/{name}')
        if isinstance(rows, ChunkedRows):
            raise DataError(f'{self.path}: {name!r} is stored in chunks, where a store is contiguous; make it again')
        if f'offsets/{name}' not in file:
            offsets, shape = None, rows.row_shape
        else:
            offsets, shape = file[f'offsets/{name}'][:], (None, *rows.row_shape)
        items = len(rows) if offsets is None else len(offsets) - 1
        ordered = offsets is None or (offsets[0] == 0 and offsets[-1] == len(rows) and (np.diff(offsets) >= 0).all())
        if items != len(self) or not ordered:
            raise DataError(f'{self.path}: {name!r} does not fit the {len(self)} items of the store; '
                            'make or copy it again')
        return StoredArray(name, ArraySpec(shape, rows.dtype.name), rows, offsets)

    # Arrays --------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> StoredArray:
        try:
            return self._arrays[name]
        except KeyError:
            raise DataError(f'{self.path}: no array {name!r}; the store has {", ".join(self._arrays)}') from None

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of that name."""
        return name in self._arrays

    @property
    def arrays(self) -> dict[str, ArraySpec]:
        """Shape and type of every array."""
        return {name: array.spec for name, array in self._arrays.items()}

    # Items ---------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of items."""
        return len(self._names)

    @property
    def keys(self) -> list[str]:
        """Names of the items in their order."""
        return [key.decode() for key in self._names.tolist()]

    def find(self, keys: Iterable[str]) -> np.ndarray:
        """Numbers of the items called ``keys``, int64.

        Raises:
            DataError: If there is no item of a name.
        """
        if self._index is None:
            self._index = {key: i for i, key in enumerate(self.keys)}
        try:
            return np.array([self._index[key] for key in keys], dtype=np.int64)
        except KeyError as error:
            raise DataError(f'{self.path}: the store has no item {error.args[0]!r}') from None

    def verify(self, progress: Callable[[list, int], Iterable] | None = None) -> None:
        """Read everything and compare it with the digests.

        Args:
            progress: Called with the list of blocks and their number; returns what is iterated in its place, such as
                a progress bar.

        Raises:
            DataError: Naming the array and the byte range that have changed, or what else is damaged.
        """
        with open_h5(self.path) as file:
            digests = {name: _read_digests(file, name) for name in self._arrays}
        sizes = {name: len(array.rows) * array.spec.row_bytes for name, array in self._arrays.items()}
        blocks = [(name, start) for name, size in sizes.items() for start in range(0, size, self._block_bytes)]
        for name, start in blocks if progress is None else progress(blocks, len(blocks)):
            rows = self._arrays[name].rows
            stop = min(start + self._block_bytes, sizes[name])
            found = block_digest(rows.read_bytes(start, np.empty(stop - start, np.uint8)))
            number = start // self._block_bytes
            if number >= len(digests[name]) or found != digests[name][number].tobytes():
                raise DataError(f'{self.path}: {name!r} is damaged between the bytes {rows.offset + start} and '
                                f'{rows.offset + stop}; make or copy the file again')
        offsets = {name: array.offsets for name, array in self._arrays.items()}
        if content_key(self.keys, self.arrays, offsets, digests) != self.content_key:
            raise DataError(f'{self.path}: the names or the offsets of the items are damaged; make or copy the file '
                            'again')


def block_digest(block: np.ndarray) -> bytes:
    """Digest of a piece of an array."""
    return hashlib.blake2b(block, digest_size=DIGEST_BYTES).digest()


def _read_digests(file: h5py.File, name: str) -> np.ndarray:
    try:
        return file[f'digests/{name}'][:]
    except (KeyError, OSError) as error:
        raise DataError(f'{file.filename}: the digests of {name!r} cannot be read ({error}); make or copy the file '
                        'again') from None


def content_key(keys: Sequence[str], arrays: Mapping[str, ArraySpec], offsets: Mapping[str, np.ndarray | None],
                digests: Mapping[str, np.ndarray]) -> str:
    """Thirty-two hexadecimal digits that follow from names, types and numbers, and from nothing else."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    digest.update(json.dumps([list(keys), {n: [list(s.shape), s.dtype] for n, s in sorted(arrays.items())}]).encode())
    for name in sorted(arrays):
        if offsets[name] is not None:
            digest.update(np.ascontiguousarray(offsets[name], '<i8'))
        digest.update(np.ascontiguousarray(digests[name]))
    return digest.hexdigest()
