"""What is extracted: the items of a folder, a list or a table, and the clips that hold them."""
from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avmm.extraction.base import AUDIO_SUFFIXES
from avmm.utils import DataError

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.webm', '.avi', '.mov', '.m4v', '.mpg', '.mpeg', '.flv', '.wmv', '.3gp', '.ts')
TABLE_COLUMNS = ('path', 'key', 'start', 'end')


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the feature store.

    Attributes:
        key: Its name, which no other item has.
        path: The file.
        start: Beginning of the clip in the file, in s.
        duration: Its length in s; None means to the end of the file.
    """
    key: str
    path: str
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """What is decoded once: a part of a file, for one item or several.

    Attributes:
        path: The file.
        start: Beginning in the file, in s.
        duration: Length in s; None means to the end of the file.
        keys: Names of the items.
    """
    path: str
    start: float
    duration: float | None
    keys: tuple[str, ...]


def clips_of(items: Iterable[Item]) -> list[Clip]:
    """The clips of ``items``, in the order in which they first come up; items of the same clip share it."""
    keys: dict[tuple, list[str]] = {}
    for item in items:
        keys.setdefault((item.path, item.start, item.duration), []).append(item.key)
    return [Clip(*clip, keys=tuple(names)) for clip, names in keys.items()]


def read_items(source: str | os.PathLike, root: str | os.PathLike | None = None, suffixes: Sequence[str] | None = None,
               allowed_roots: Sequence[str | os.PathLike] = ()) -> list[Item]:
    """The items of a source, in its order.

    Args:
        source: A folder, whose files are sorted by name, those of its folders too; a ``.txt`` file, one path a line;
            or a ``.csv`` file with the columns ``path``, and if wanted ``key``, ``start`` and ``end`` (s)::

                path,key,start,end
                a/b.mp4,b_first,0,10
                a/b.mp4,b_second,10,20

        root: Folder that the paths of a list start from. Defaults to that of the list.
        suffixes: Endings of the files of a folder. Defaults to those of videos.
        allowed_roots: Further folders in which the files of a list may lie.

    Raises:
        DataError: If the source is missing, empty or no list, a path leads out of the folders, or a name occurs twice.
    """
    source = Path(source)
    if source.is_dir():
        items = _of_folder(source, tuple(suffixes or VIDEO_SUFFIXES))
    elif not source.exists():
        raise DataError(f'{source}: no such folder or list')
    elif source.suffix.lower() in ('.txt', '.csv'):
        read = _of_table if source.suffix.lower() == '.csv' else _of_lines
        inside = _Inside(source.parent if root is None else root, allowed_roots)
        try:
            items = list(read(source, inside))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f'{source}: cannot be read as a list ({error})') from None
    else:
        raise DataError(f'{source}: a source is a folder, a .txt or a .csv file; write a single file into a list')
    if not items:
        raise DataError(f'{source}: names no files')
    check_unique(items, source)
    return items


def check_unique(items: Sequence[Item], source: str | os.PathLike) -> None:
    """Check that no name occurs twice.

    Raises:
        DataError: Naming both files.
    """
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.key, item)
        if other is not item:
            raise DataError(f'{source}: {other.path} and {item.path} have the same name {item.key!r}; choose files by '
                            '--suffixes, or give names in the column key of a .csv')


def suffixes_for(modalities: Iterable[str]) -> tuple[str, ...]:
    """Endings of the files in which there is everything that is asked for."""
    return VIDEO_SUFFIXES if 'visual' in set(modalities) else (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)


def _of_folder(folder: Path, suffixes: tuple[str, ...]) -> list[Item]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [Path(place, name).relative_to(folder) for name in names
                  if name.lower().endswith(suffixes) and not name.startswith('.')]
    if not found:
        raise DataError(f'{folder}: has no files that end in {", ".join(suffixes)}')
    return [Item(_key(path), str(folder / path)) for path in sorted(found)]


def _of_lines(source: Path, inside: _Inside) -> Iterator[Item]:
    with open(source, encoding='utf-8-sig') as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                path = line.strip()
                yield Item(_key(path), inside(path, f'{source}:{number}'))


def _of_table(source: Path, inside: _Inside) -> Iterator[Item]:
    with open(source, encoding='utf-8-sig', newline='') as file:
        table = csv.DictReader(file, skipinitialspace=True)
        columns = table.fieldnames or ()
        if 'path' not in columns or not set(columns) <= set(TABLE_COLUMNS):
            raise DataError(f'{source}: the first line names the columns, path and any of '
                            f'{", ".join(TABLE_COLUMNS[1:])}; it is {",".join(columns)!r}')
        for row in table:
            where = f'{source}:{table.line_num}'
            if None in row or not row['path']:
                raise DataError(f'{where}: {len(columns)} fields are expected, the path not empty')
            start, end = _seconds(row, 'start', where), _seconds(row, 'end', where)
            if end is not None and end <= (start or 0):
                raise DataError(f'{where}: the end {end:g} s is not after the start {start or 0:g} s')
            key = row.get('key') or '_'.join([_key(row['path']), *(f'{s:g}' for s in (start, end) if s is not None)])
            yield Item(key, inside(row['path'], where), start or 0.0, None if end is None else end - (start or 0))


def _seconds(row: dict[str, str | None], column: str, where: str) -> float | None:
    text = row.get(column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DataError(f'{where}: {column} is a number of seconds, got {text!r}')
    return value


def _key(path: str | Path) -> str:
    """Name of an item: its path without the ending."""
    return Path(path).with_suffix('').as_posix()


class _Inside:
    """Makes paths that a list names whole, and refuses those outside of the folders."""

    def __init__(self, root: str | os.PathLike, allowed_roots: Iterable[str | os.PathLike]):
        self.root = os.fspath(root)
        self._roots = [os.path.realpath(folder) for folder in (root, *allowed_roots)]
        self._real_folders: dict[str, str] = {}

    def __call__(self, path: str, where: str) -> str:
        full = os.path.join(self.root, path)
        folder, name = os.path.split(full)
        # Most files share their folder, and following its links takes long.
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        real = os.path.join(self._real_folders[folder], name)
        if name in ('..', '') or os.path.islink(real):
            real = os.path.realpath(real)
        if not any(os.path.commonpath([real, root]) == root for root in self._roots):
            raise DataError(f'{where}: {path} lies outside {self.root}; set --root, or --allowed-roots if the list is '
                            'trusted')
        return full
