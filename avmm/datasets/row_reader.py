"""Rows of an HDF5 data set, read straight into the memory where they are wanted."""
from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import h5py
import numpy as np
import torch
from torch import Tensor

from avmm.utils import DataError

# Buffers that one call of preadv takes; POSIX systems allow at least 1024.
_MAX_BUFFERS = 1024
# Rows that have to be converted are read in blocks of about this size, which stay in the cache of the processor.
_BLOCK_BYTES = 1 << 20
# From this size on two threads share the work.
_PARALLEL_BYTES = 8 << 20


@contextmanager
def open_h5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        DataError: If it is missing, empty, truncated or no HDF5 file.
    """
    path = os.fspath(path)
    try:
        size = os.stat(path).st_size
    except OSError as error:
        reason = 'the file is missing' if isinstance(error, FileNotFoundError) else error.strerror
        raise DataError(f'{path}: {reason}') from None
    if os.path.isdir(path):
        raise DataError(f'{path}: a folder, where an HDF5 file is expected')
    if size == 0:
        raise DataError(f'{path}: the file is empty; make or copy it again')
    try:
        file = h5py.File(path, 'r', locking='best-effort')
    except OSError as error:
        if not h5py.is_hdf5(path):
            raise DataError(f'{path}: not an HDF5 file') from None
        if 'truncated' in str(error):
            raise DataError(f'{path}: the file is truncated ({size} bytes); make or copy it again') from None
        raise DataError(f'{path}: cannot be read as HDF5 ({error})') from None
    with file:
        yield file


def open_rows(path: str | os.PathLike, key: str) -> Rows:
    """A reader of the rows of the data set ``key``: with ``preadv`` if it is contiguous, else through h5py.

    Raises:
        DataError: If the file cannot be read, or has no data set of numbers called ``key``.
    """
    with open_h5(path) as file:
        return rows_of(file, key)


def rows_of(file: h5py.File, key: str) -> Rows:
    """As :func:`open_rows`, of a file that is open."""
    path = file.filename
    data = file.get(key)
    if not isinstance(data, h5py.Dataset):
        there = ', '.join(file) or 'nothing'
        raise DataError(f'{path}: no data set {key!r}; the file has {there}')
    if data.dtype.kind not in 'fiub' or data.ndim == 0:
        raise DataError(f'{path}: {key!r} is no array of numbers but {data.dtype} {data.shape}')
    if data.size and (data.chunks is not None or data.id.get_offset() is None):
        return ChunkedRows(path, key, data.shape, data.dtype)
    return Rows(path, key, data.shape, data.dtype, data.id.get_offset() or 0)


class Rows:
    """Rows of a contiguous array in a file.

    Nothing but the rows asked for enters the memory of the process: a memory map would count every page that it ever
    touched. The file is opened at the first read of each process, so an object can be pickled and forked.

    Args:
        path: The file.
        key: Name of the array, for messages.
        shape: ``(N, ...)``.
        dtype: Type of the numbers in the file.
        offset: Where the array begins, in bytes.

    Attributes:
        shape: ``(N, ...)``.
        row_shape: Shape of a row.
        dtype: Type of the numbers in the file.
    """

    #: Whether two threads may read at once.
    parallel = True

    def __init__(self, path: str, key: str, shape: Sequence[int], dtype: np.dtype, offset: int = 0):
        self.path, self.key, self.offset = path, key, offset
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self.row_shape = self.shape[1:]
        self.row_bytes = int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize
        self._file: int | None = None
        self._check_size()

    def _check_size(self) -> None:
        end, size = self.offset + len(self) * self.row_bytes, os.stat(self.path).st_size
        if end > size:
            raise DataError(f'{self.path}: the file is truncated ({size} of {end} bytes); make or copy it again')

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_file': None}

    def __del__(self):
        if getattr(self, '_file', None) is not None:
            os.close(self._file)

    def gather(self, indices: Sequence[int], out: np.ndarray | Tensor | None = None,
               dtype: str | np.dtype | None = None, places: np.ndarray | None = None) -> np.ndarray | Tensor:
        """Read rows in the order of ``indices``; rows that are neighbours in the file are read together.

        Args:
            indices: Row numbers ``(B,)``; one may occur several times.
            out: Where to put them, ``(B, ...)`` C-contiguous. Defaults to a new array.
            dtype: Type of a new array. Defaults to that of the file, in the byte order of the machine.
            places: Rows of ``out`` to fill ``(B,)``, where ``out`` has more than B.

        Returns:
            ``out``, or the new array.

        Raises:
            DataError: If a row does not exist or the file has become shorter.
        """
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            wrong = indices[(indices < 0) | (indices >= len(self))][0]
            raise DataError(f'{self.path}: row {wrong} of {self.key!r} is asked for, which has {len(self)} rows')
        if out is None:
            out = np.empty((len(indices), *self.row_shape), dtype or self.dtype.newbyteorder('='))
        array = out.numpy() if isinstance(out, Tensor) else out
        expected = (len(indices) if places is None else len(array), *self.row_shape)
        if array.shape != expected or not array.flags.c_contiguous:
            raise ValueError(f'out must be C-contiguous with shape {expected}, got {array.shape}')
        if len(indices) and array.size:
            self._read_all(indices, array, np.arange(len(indices)) if places is None else np.asarray(places))
        return out

    def _read_all(self, indices: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
        self._open()
        if not self.parallel or len(indices) * self.row_bytes < _PARALLEL_BYTES:
            self._read(indices, out, places)
            return
        # A second thread copies half of a large batch; it lives for this batch alone, so that processes can be forked.
        halves = np.array_split(np.argsort(indices, kind='stable'), 2)
        failed: list[Exception] = []

        def read_half() -> None:
            try:
                self._read(indices[halves[1]], out, places[halves[1]])
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=read_half)
        thread.start()
        try:
            self._read(indices[halves[0]], out, places[halves[0]])
        finally:
            thread.join()
        if failed:
            raise failed[0]

    def _open(self) -> None:
        if self._file is None:
            self._check_size()
            self._file = os.open(self.path, os.O_RDONLY)

    def read_bytes(self, start: int, out: np.ndarray) -> np.ndarray:
        """Fill ``out``, bytes ``(size,)``, from the byte ``start`` of the array on."""
        self._read_at(self.offset + start, [out])
        return out

    def _read(self, indices: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
        if out.dtype == self.dtype:
            self._read_raw(indices, out, places)
            return
        step = max(1, _BLOCK_BYTES // self.row_bytes)
        order = np.argsort(indices, kind='stable')
        block = np.empty((min(step, len(indices)), *self.row_shape), self.dtype)
        for first in range(0, len(order), step):
            part = order[first:first + step]
            self._read_raw(indices[part], block, np.arange(len(part)))
            for i, place in enumerate(places[part].tolist()):
                _convert(block[i:i + 1], out[place:place + 1])

    def _read_raw(self, indices: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
        raw = out.reshape(len(out), -1).view(np.uint8)
        for first, buffers in _runs(indices, raw, places):
            self._read_run(first, buffers)

    def _read_run(self, first: int, buffers: list[np.ndarray]) -> None:
        self._read_at(self.offset + first * self.row_bytes, buffers)

    def _read_at(self, position: int, buffers: list[np.ndarray]) -> None:
        self._open()
        while buffers:
            done = os.preadv(self._file, buffers[:_MAX_BUFFERS], position)
            if done <= 0:
                raise DataError(f'{self.path}: the file ends at byte {position}, within {self.key!r}; make or copy it '
                                'again')
            position += done
            while buffers and done >= buffers[0].nbytes:
                done -= buffers.pop(0).nbytes
            if done:
                buffers[0] = buffers[0].reshape(-1)[done:]


def _convert(row: np.ndarray, out: np.ndarray) -> None:
    # The processor widens halves on its own, which torch knows and NumPy does not; the numbers are the same.
    if row.dtype == np.float16 and row.dtype.isnative and out.dtype in (np.float32, np.float64):
        torch.from_numpy(out).copy_(torch.from_numpy(row))
    else:
        np.copyto(out, row, casting='same_kind')


def _runs(indices: np.ndarray, out: np.ndarray, places: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """``(first row, where to put it and the next ones)`` of every run of rows that are neighbours in the file."""
    order = np.argsort(indices, kind='stable')
    rows, places = indices[order], places[order]
    ends_run = np.diff(rows) != 1
    # Within a run, what is in sequence in memory too is one buffer.
    starts = np.flatnonzero(np.concatenate([[True], ends_run | (np.diff(places) != 1)]))
    stops = np.append(starts[1:], len(rows))
    new_run = np.concatenate([[True], ends_run])[starts]
    first, buffers = 0, []
    for start, stop, new in zip(starts.tolist(), stops.tolist(), new_run.tolist(), strict=True):
        if new and buffers:
            yield first, buffers
            buffers = []
        if not buffers:
            first = int(rows[start])
        place = int(places[start])
        buffers.append(out[place:place + stop - start])
    yield first, buffers


class ChunkedRows(Rows):
    """Rows of an array that is stored in chunks or compressed, read through h5py, which each process opens itself."""

    parallel = False

    def __init__(self, path: str, key: str, shape: Sequence[int], dtype: np.dtype):
        self._opened: tuple[int, h5py.Dataset] | None = None
        super().__init__(path, key, shape, dtype)

    def _open(self) -> None:
        """Each process opens it at its first read."""

    def _check_size(self) -> None:
        """How long the file has to be is for h5py to know."""

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), '_opened': None}

    def _read_run(self, first: int, buffers: list[np.ndarray]) -> None:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), h5py.File(self.path, 'r', locking='best-effort')[self.key]
        for buffer in buffers:
            rows = buffer.view(self.dtype).reshape(-1, *self.row_shape)
            try:
                self._opened[1].read_direct(rows, np.s_[first:first + len(rows)])
            except OSError as error:
                raise DataError(f'{self.path}: {self.key!r} cannot be read ({error})') from None
            first += len(rows)
