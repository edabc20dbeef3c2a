"""Making a feature store: item by item, all or nothing, and from where it was when the process is killed."""
from __future__ import annotations

import json
import os
import shutil
import weakref
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avmm.datasets.feature_store import (
    BLOCK_BYTES,
    DIGEST_BYTES,
    FORMAT,
    VERSION,
    ArraySpec,
    FeatureStore,
    block_digest,
    content_key,
)
from avmm.datasets.item_places import ItemPlaces
from avmm.datasets.row_reader import open_h5
from avmm.utils import ConfigError, DataError

# Items between two points of the journal at which everything before is known to be on the disk.
_SYNC_EVERY = 256
# Bytes that a merge reads at once.
_MERGE_BYTES = 16 << 20
# Those that are open. A forked worker that outlives its parent would keep their locks.
_OPEN: weakref.WeakSet[FeatureStoreWriter] = weakref.WeakSet()


class FeatureStoreWriter:
    """Writes a feature store.

    Until :meth:`close` has put everything together, the items lie in the folder ``<path>.part`` next to the store. A
    process that is killed loses at most the item it was writing: another writer with the same arguments goes on with
    the rest, ``key in writer`` says which items are there. The finished file appears under its name at once.

    Args:
        path: The file to make.
        arrays: ``{name: ArraySpec}``.
        keys: Names of all items in their final order, if they are known: items may then come in any order, and are
            written to their final place at once if no length varies. Without, items keep the order in which they come.
        meta: Anything that goes into a JSON text, for whoever reads the store.
        overwrite: Whether a file at ``path`` is replaced in the end.

    Raises:
        DataError: If ``path`` exists, or ``<path>.part`` belongs to another store or to a writer that is running.
        ConfigError: If the arguments describe no store.

    Example:
        >>> with FeatureStoreWriter('clips.h5', {'audio': ArraySpec((10, 128))}) as writer:  # doctest: +SKIP
        ...     for name in names:
        ...         if name not in writer:
        ...             writer.add(name, audio=embed(name))
    """

    def __init__(self, path: str | os.PathLike, arrays: Mapping[str, ArraySpec], keys: Sequence[str] | None = None,
                 meta: Mapping[str, Any] | None = None, overwrite: bool = False):
        self.path, self.part = Path(path), Path(f'{os.fspath(path)}.part')
        self.arrays, self.meta = dict(arrays), dict(meta or {})
        if not self.arrays or any(not name or '/' in name or name.startswith('.') for name in self.arrays):
            raise ConfigError(f'{path}: a store needs arrays, with names without slashes; got {list(self.arrays)}')
        self.order = None if keys is None else {key: i for i, key in enumerate(map(_checked_key, keys))}
        if keys is not None and len(self.order) != len(keys):
            raise ConfigError(f'{path}: the names of the items are not unique')
        if self.path.exists() and not overwrite:
            raise DataError(f'{self.path} exists; remove it or choose another name')
        self.part.mkdir(parents=True, exist_ok=True)
        self._places = ItemPlaces(self.arrays, self.order)
        self._ends = dict.fromkeys(self.arrays, 0)
        self._since_sync = 0
        # Items of which everything is known go to their place in the file; the others wait in files of rows.
        self._direct = keys is not None and not any(spec.varies for spec in self.arrays.values())
        self._target = self.part / 'store.h5'
        self._files: dict[str, int] = {}
        self._journal = self._lock()
        _OPEN.add(self)
        try:
            self._resume(self._read_journal())
        except BaseException:
            self.release()
            raise

    # Items ---------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Items that are there."""
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def add(self, key: str, **values: Any) -> None:
        """Add one item, with a value for every array: of its shape, or ``(length, ...)`` where the length varies.

        Raises:
            DataError: If the item is there already, or a value does not fit.
        """
        self.add_batch([key], {name: [value] for name, value in values.items()})

    def add_batch(self, keys: Sequence[str], values: Mapping[str, Sequence[Any]]) -> None:
        """Add several items; ``values[name]`` has one value for each of ``keys``."""
        if set(values) != set(self.arrays):
            raise DataError(f'{self.path}: items have {", ".join(self.arrays)}; got {", ".join(values) or "nothing"}')
        for i, key in enumerate(keys):
            _checked_key(key)
            if key in self._places:
                raise DataError(f'{self.path}: the item {key!r} is there already')
            if self.order is not None and key not in self.order:
                raise DataError(f'{self.path}: {key!r} is not among the names of the items that were announced')
            fitted = {name: self._fitted(name, key, values[name][i]) for name in self.arrays}
            check = 0
            for value in fitted.values():
                check = zlib.crc32(value, check)
            self._note({'key': key, 'rows': self._put(key, fitted), 'crc': check})
        self._since_sync += len(keys)
        if self._since_sync >= _SYNC_EVERY:
            self._sync()

    def _put(self, key: str, values: dict[str, np.ndarray]) -> dict[str, list[int]]:
        """Write an item; returns where it is."""
        rows = {name: self._place(name, key, value) for name, value in values.items()}
        for name, value in values.items():
            _write_all(self._files[name], value, self._start(name, rows[name]))
        self._enter(key, rows)
        return rows

    def _fitted(self, name: str, key: str, value: Any) -> np.ndarray:
        spec = self.arrays[name]
        value = np.asarray(value.numpy() if hasattr(value, 'numpy') else value)
        shape = value.shape[1:] if spec.varies else value.shape
        if (spec.varies and value.ndim == 0) or shape != spec.row_shape:
            raise DataError(f'{self.path}: {name!r} of {key!r} has shape {value.shape}, the store {spec.shape}')
        if not np.can_cast(value.dtype, spec.dtype, 'same_kind'):
            raise DataError(f'{self.path}: {name!r} of {key!r} is {value.dtype}, the store {spec.dtype}')
        return np.ascontiguousarray(value, spec.dtype)

    def _place(self, name: str, key: str, value: np.ndarray) -> list[int]:
        """``[first row, number of rows]``."""
        if self._direct:
            return [self.order[key], 1]
        return [self._ends[name], len(value) if self.arrays[name].varies else 1]

    def _start(self, name: str, rows: list[int]) -> int:
        """Where rows are in the file that holds them, in bytes."""
        return self._bases[name] + rows[0] * self.arrays[name].row_bytes

    def _enter(self, key: str, rows: dict[str, list[int]]) -> None:
        self._places.enter(key, rows)
        for name, (first, number) in rows.items():
            self._ends[name] = max(self._ends[name], first + number)

    # Journal -------------------------------------------------------------------------------------------------------

    def _header(self) -> dict:
        keys = None if self.order is None else content_key(list(self.order), {}, {}, {})
        return dict(format=FORMAT, version=VERSION, keys=keys, meta=json.loads(json.dumps(self.meta)),
                    arrays={name: [list(spec.shape), spec.dtype] for name, spec in self.arrays.items()})

    def _lock(self) -> Any:
        import fcntl  # not on every platform, and only writing needs it
        journal = open(self.part / 'journal', 'a+b')  # noqa: SIM115 - closed in release
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            journal.close()
            raise DataError(f'{self.path}: another process is writing this store') from None
        return journal

    def _note(self, line: dict) -> None:
        self._journal.write(json.dumps(line).encode() + b'\n')
        self._journal.flush()

    def _sync(self) -> None:
        for file in self._files.values():
            os.fsync(file)
        self._note({'sync': len(self._places)})
        os.fsync(self._journal)
        self._since_sync = 0

    def _read_journal(self) -> list[dict]:
        """The whole lines of the journal; what was being written when the process ended is cut off."""
        self._journal.seek(0)
        lines, size = [], 0
        for raw in self._journal.read().splitlines(keepends=True):
            try:
                lines.append(json.loads(raw))
            except ValueError:
                break
            size += len(raw)
        self._journal.truncate(size)
        return lines

    def _resume(self, lines: list[dict]) -> None:
        """Take over the items of an interrupted writer, except those that the disk has lost."""
        if lines and lines[0] != self._header():
            raise DataError(f'{self.part} holds the beginning of another store (other arrays, items or meta); '
                            'remove it, or choose another name')
        if self._direct and not lines:
            self._allocate(self._target, self.order, {name: len(self.order) for name in self.arrays}, {})
        if not lines:
            self._note(self._header())
        self._open_files()
        synced = max((i for i, line in enumerate(lines) if 'sync' in line), default=0)
        for number, line in enumerate(lines[1:], 1):
            if 'lost' in line:
                self._places.remove(line['lost'])
            elif 'key' in line:
                self._enter(line['key'], line['rows'])
                if number > synced and self._crc(line['rows']) != line['crc']:
                    self._places.remove(line['key'])
                    self._note({'lost': line['key']})

    def _open_files(self) -> None:
        self._bases = dict.fromkeys(self.arrays, 0)
        if self._direct:
            self._bases = {name: _offset(self._target, f'arrays/{name}') for name in self.arrays}
        for name in self.arrays:
            path = self._target if self._direct else self.part / f'{name}.rows'
            self._files[name] = os.open(path, os.O_RDWR | os.O_CREAT)

    def _crc(self, rows: dict[str, list[int]]) -> int:
        check = 0
        for name, (first, number) in rows.items():
            size = number * self.arrays[name].row_bytes
            check = zlib.crc32(os.pread(self._files[name], size, self._start(name, [first])), check)
        return check

    # The end -------------------------------------------------------------------------------------------------------

    def close(self, missing: str = 'refuse') -> str:
        """Put the store together and give it its name.

        Args:
            missing: What becomes of items that were announced and have not come: ``'refuse'`` does not close,
                ``'leave_out'`` keeps the order of the others, ``'zeros'`` fills them, without rows where the length
                varies.

        Returns:
            Its content key.

        Raises:
            DataError: If there are no items, or some that were announced are missing.
        """
        if missing not in ('refuse', 'leave_out', 'zeros'):
            raise ConfigError(f'missing is {missing!r}; it must be refuse, leave_out or zeros')
        absent = [key for key in self.order or () if key not in self._places]
        if (absent and missing == 'refuse') or not (self._places or (absent and missing == 'zeros')):
            self.release()
            what = f'{len(absent)} of {len(self.order)} items are missing, such as {absent[0]!r}' if absent else \
                'there are no items'
            raise DataError(f'{self.path}: {what}; what is there stays in {self.part.name}')
        try:
            for key in absent if missing == 'zeros' else ():
                # Not noted in the journal: another writer, should this one be killed now, does not take them over.
                self._put(key, {name: np.zeros([n or 0 for n in spec.shape], spec.dtype)
                                for name, spec in self.arrays.items()})
            target, key = self._assemble()
            os.replace(target, self.path)
            _sync_folder(self.path.parent)
        finally:
            self.release()
        shutil.rmtree(self.part)
        return key

    def _allocate(self, target: Path, keys: Iterable[str], totals: dict[str, int],
                  offsets: dict[str, np.ndarray | None]) -> None:
        """Make a file of the items ``keys``, with room for ``totals`` rows of every array."""
        unfinished = target.with_suffix('.tmp')
        with h5py.File(unfinished, 'w', alignment_threshold=1 << 16, alignment_interval=1 << 12) as file:
            file.attrs.update(format=FORMAT, version=VERSION, block_bytes=BLOCK_BYTES, meta=json.dumps(self.meta))
            file['keys'] = np.array([key.encode() for key in keys])
            for name, spec in self.arrays.items():
                size = totals[name] * spec.row_bytes
                _reserve(file, f'arrays/{name}', (totals[name], *spec.row_shape), spec.dtype)
                _reserve(file, f'digests/{name}', (-(-size // BLOCK_BYTES), DIGEST_BYTES), 'uint8')
                if spec.varies:
                    file[f'offsets/{name}'] = offsets[name]
            _reserve(file, 'content_key', (), f'S{2 * DIGEST_BYTES}')
        os.replace(unfinished, target)

    def _assemble(self) -> tuple[Path, str]:
        """Make the file whole; returns it and its content key."""
        keys, offsets = self._places.keys(), dict.fromkeys(self.arrays)
        in_place = self._direct and len(keys) == len(self.order)
        target = self._target if in_place or not self._direct else self.part / 'kept.h5'
        extents = {name: self._places.extents(name, keys) for name in self.arrays}
        for name, spec in self.arrays.items():
            if spec.varies:
                offsets[name] = np.concatenate([[0], np.cumsum(extents[name][:, 1])])
        if not in_place:
            self._allocate(target, keys, {name: int(rows[:, 1].sum()) for name, rows in extents.items()}, offsets)
        output = os.open(target, os.O_RDWR)
        try:
            digests = {}
            for name, rows in extents.items():
                place = None if in_place else _offset(target, f'arrays/{name}')
                digests[name] = self._copy(name, rows, output, place)
                _write_all(output, digests[name], _offset(target, f'digests/{name}'))
            key = content_key(keys, self.arrays, offsets, digests)
            _write_all(output, np.frombuffer(key.encode(), np.uint8), _offset(target, 'content_key'))
            os.fsync(output)
        finally:
            os.close(output)
        return target, key

    def _copy(self, name: str, extents: np.ndarray, output: int, place: int | None) -> np.ndarray:
        """Copy ``[first row, number of rows]`` one after the other; ``place`` None means that they are in place.

        Returns:
            Digests of the blocks ``(blocks, 16)``.
        """
        digests: list[bytes] = []
        block, filled = np.empty(BLOCK_BYTES, np.uint8), 0

        def flush(block: np.ndarray) -> None:
            if place is not None:
                _write_all(output, block, place + len(digests) * BLOCK_BYTES)
            digests.append(block_digest(block))

        for first, number in extents.tolist():
            position, end = self._start(name, [first]), self._start(name, [first + number])
            while position < end:
                size = min(end - position, BLOCK_BYTES - filled)
                _read_all(self._files[name], block[filled:filled + size], position)
                position, filled = position + size, filled + size
                if filled == BLOCK_BYTES:
                    flush(block)
                    filled = 0
        if filled:
            flush(block[:filled])
        return np.frombuffer(b''.join(digests), np.uint8).reshape(-1, DIGEST_BYTES)

    def release(self) -> None:
        """Leave the store as it is, for another writer to go on with."""
        for file in self._files.values():
            os.close(file)
        self._files = {}
        self._journal.close()

    def __enter__(self) -> FeatureStoreWriter:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            self.close()
        else:
            self.release()


def merge(paths: Iterable[str | os.PathLike], out: str | os.PathLike, keys: Sequence[str] | None = None,
          overwrite: bool = False, replace: bool = False) -> str:
    """Join stores with the same arrays into one, as the shards of an extraction.

    Args:
        paths: The stores.
        out: The file to make; an interrupted merge goes on where it was.
        keys: Names of the items in their final order. Defaults to one store after the other.
        overwrite: Whether a file at ``out`` is replaced; it may be one of ``paths``.
        replace: Whether an item that occurs twice is taken from the last store that has it.

    Returns:
        The content key.

    Raises:
        DataError: If the arrays differ or an item occurs twice.
    """
    stores = [FeatureStore(path) for path in paths]
    if not stores:
        raise ConfigError(f'{os.fspath(out)}: there are no stores to merge')
    for store in stores[1:]:
        if store.arrays != stores[0].arrays:
            raise DataError(f'{store.path}: its arrays differ from those of {stores[0].path}')
    owners: dict[str, str] = {}
    for store in stores:
        for key in store.keys:
            if key in owners and not replace:
                raise DataError(f'{store.path}: the item {key!r} is in {owners[key]} as well')
            owners[key] = store.path
    with FeatureStoreWriter(out, stores[0].arrays, list(owners) if keys is None else keys, stores[0].meta,
                            overwrite) as writer:
        for store in stores:
            missing = [(i, key) for i, key in enumerate(store.keys) if owners[key] == store.path and key not in writer]
            step = _items_at_once(store)
            for first in range(0, len(missing), step):
                numbers, names = zip(*missing[first:first + step], strict=True)
                writer.add_batch(names, {name: _items(store, name, numbers) for name in store.arrays})
    return FeatureStore(out).content_key


def _items_at_once(store: FeatureStore) -> int:
    size = sum(len(array.rows) * array.spec.row_bytes for array in (store[name] for name in store.arrays))
    return max(1, _MERGE_BYTES * len(store) // max(size, 1))


def _items(store: FeatureStore, name: str, numbers: Sequence[int]) -> Sequence[np.ndarray]:
    """Several items of an array, one by one."""
    if not store[name].spec.varies:
        return store[name].gather(numbers)
    rows, lengths = store[name].gather(numbers)
    return np.split(rows, np.cumsum(lengths)[:-1])


def _let_go() -> None:
    """In a process that was forked: close the files of the writers of its parent."""
    for writer in list(_OPEN):
        writer.release()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_let_go)


def _checked_key(key: str) -> str:
    if not isinstance(key, str) or not key or '\0' in key:
        raise ConfigError(f'the name of an item must be a text that is not empty, got {key!r}')
    return key


def _reserve(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """Make room for a contiguous array that is filled in later, past h5py."""
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_layout(h5py.h5d.CONTIGUOUS)
    create.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    create.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype), logical=True),
                    h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR), create, links)


def _offset(path: Path, name: str) -> int:
    """Where an array begins in a file, in bytes; 0 for an empty one."""
    with open_h5(path) as file:
        return file[name].id.get_offset() or 0


def _read_all(file: int, out: np.ndarray, position: int) -> None:
    while len(out):
        done = os.preadv(file, [out], position)
        if done == 0:
            raise DataError(f'the unfinished store has lost its end at byte {position}; remove its folder .part')
        out, position = out[done:], position + done


def _write_all(file: int, values: np.ndarray, position: int) -> None:
    left = memoryview(values.reshape(-1).view(np.uint8))
    while left:
        done = os.pwrite(file, left, position)
        left, position = left[done:], position + done


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
