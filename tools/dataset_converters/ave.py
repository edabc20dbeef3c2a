"""Complete a folder with the files of AVE: label files from Annotations.txt, and features packed for fast reading.

Labels that are there are compared with what follows from Annotations.txt, those that are absent are written. Features
are copied from visual_feature.h5 and audio_feature.h5 (visual_feature_vec.h5 too, if it is there) into features.h5,
and those of background videos into features_noisy.h5; both are read again and compared before they count as made.
Whatever is interrupted goes on where it was when the command is given again.
"""
from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.datasets.ave_features import FILES
from avmm.datasets.ave_files import (
    ANNOTATIONS,
    CHECKSUMS,
    KEY,
    SEGMENTS,
    STORE,
    STORE_NOISY,
    check_official,
    one_hot,
    read_annotations,
    read_array,
    write_array,
)
from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.datasets.row_reader import Rows, open_rows
from avmm.utils import ConfigError, DataError
from avmm.utils.cli import run_cli, track
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser

EXAMPLES = """
python tools/dataset_converters/ave.py data/ave
python tools/dataset_converters/ave.py data/ave --dtype float16
python tools/dataset_converters/ave.py data/ave --labels-only
python tools/dataset_converters/ave.py /mnt/published --out data/ave --overwrite
"""
#: Videos that are read, written and compared at once: 64 MB of maps in float64.
BATCH = 32


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('folder', type=resolve_data_root, help='folder of the published files')
    parser.add_argument('--out', type=resolve_data_root, help='where to write (default: the same folder)')
    parser.add_argument('--dtype', choices=['float32', 'float16', 'float64'], default='float32',
                        help='type of the packed features (default: float32)')
    parser.add_argument('--labels-only', action='store_true', help='leave the features as they are')
    parser.add_argument('--overwrite', action='store_true', help='replace labels that differ, and packed features')
    return parser.parse_args(argv)


# Labels ------------------------------------------------------------------------------------------------------------

def write_labels(folder: Path, out: Path, overwrite: bool) -> None:
    """Write the label files that are absent, and compare the others.

    Raises:
        DataError: If a file differs from Annotations.txt and may not be replaced.
    """
    known = read_annotations(folder / ANNOTATIONS)
    length = segments_of(folder)
    made = {'labels.h5': one_hot(known.segments(length), 'int64'), 'mil_labels.h5': one_hot(known.classes),
            'labels_closs.h5': known.mask(length).astype('float32')}
    for name, values in made.items():
        path = out / name
        if path.is_file():
            if np.array_equal(read_array(path), values):
                print(f'{path}: agrees with {ANNOTATIONS}')
                continue
            if not overwrite:
                raise DataError(f'{path}: differs from what follows from {ANNOTATIONS}; --overwrite replaces it')
        write_array(path, values)
        print(f'{path}: written, {" x ".join(map(str, values.shape))}')


def copy_small_files(folder: Path, out: Path) -> None:
    """Bring along what the data set reads besides features and the labels that are made."""
    for name in (ANNOTATIONS, *CHECKSUMS):
        if (folder / name).is_file() and not (out / name).exists() and 'feature' not in name:
            shutil.copyfile(folder / name, out / f'.{name}.tmp')
            os.replace(out / f'.{name}.tmp', out / name)


def segments_of(folder: Path) -> int:
    """Number of segments of a video: that of the features, if they are there."""
    for name in FILES.values():
        if (folder / f'{name}.h5').is_file():
            return open_rows(folder / f'{name}.h5', KEY).row_shape[0]
    return SEGMENTS


# Features ----------------------------------------------------------------------------------------------------------

@dataclass
class Change:
    """What became of the numbers of one array.

    Attributes:
        exact: Whether all of them are the same as before.
        largest: Largest relative difference of a number from what it was.
    """
    exact: bool = True
    largest: float = 0.0

    def see(self, before: np.ndarray, after: np.ndarray) -> None:
        """Take a batch into account."""
        if np.array_equal(before, after, equal_nan=True):
            return
        before = before.astype(np.float64)
        gap = np.abs(after - before) / np.maximum(np.abs(before), np.finfo(np.float32).tiny)
        self.exact, self.largest = False, max(self.largest, float(gap.max()))

    def __str__(self) -> str:
        return 'the same numbers' if self.exact else f'rounded, by {self.largest:.1e} of a number at most'


def sources_of(folder: Path, suffix: str) -> dict[str, Rows]:
    """Readers of the published feature files, by the name of the array that they become.

    Raises:
        DataError: If a file is missing or damaged, or they have different numbers of videos.
    """
    sources = {}
    for name, file in FILES.items():
        path = folder / f'{file}{suffix}.h5'
        if name != 'visual_vec' or path.is_file():
            sources[name] = open_rows(path, KEY)
    first = next(iter(sources.values()))
    for rows in sources.values():
        if len(rows) != len(first):
            raise DataError(f'{rows.path}: {len(rows)} videos, {first.path} has {len(first)}')
    return sources


def pack(sources: dict[str, Rows], path: Path, dtype: str, prefix: str, overwrite: bool) -> None:
    """Copy the published features into a store, unless it is there.

    Args:
        sources: Readers by name of the array.
        path: The store to make.
        dtype: Type of its numbers.
        prefix: First part of the names of the items, ``row`` or ``background``.
        overwrite: Whether another store at ``path`` is replaced.
    """
    count = len(next(iter(sources.values())))
    keys = [f'{prefix}_{i:04d}' for i in range(count)]
    arrays = {name: ArraySpec(rows.row_shape, dtype) for name, rows in sources.items()}
    if path.exists() and not overwrite:
        store = FeatureStore(path)
        if store.arrays != arrays or store.keys != keys:
            raise DataError(f'{path} holds other features ({describe(store)}); --overwrite replaces them')
        print(f'{path} is there; it is compared with the published files')
        return
    with FeatureStoreWriter(path, arrays, keys, dict(dataset='AVE'), overwrite) as writer:
        for first in track(range(0, count, BATCH), f'packing {path.name}'):
            batch = [i for i in range(first, min(first + BATCH, count)) if keys[i] not in writer]
            if batch:
                writer.add_batch([keys[i] for i in batch],
                                 {name: rows.gather(batch, dtype=dtype) for name, rows in sources.items()})


def describe(store: FeatureStore) -> str:
    """Number of videos, arrays and their types, in a few words."""
    arrays = (f'{name} {" x ".join(map(str, spec.shape))} {spec.dtype}' for name, spec in store.arrays.items())
    return f'{len(store)} videos: {", ".join(arrays)}'


def compare(sources: dict[str, Rows], path: Path) -> dict[str, Change]:
    """Read a store again, check its digests, and compare every number with the published one.

    Raises:
        DataError: If the store is damaged, or a number is not the published one in the type of the store.
    """
    store = FeatureStore(path)
    store.verify(lambda blocks, total: track(blocks, f'reading {path.name} again', total))
    changes = {name: Change() for name in sources}
    for first in track(range(0, len(store), BATCH), f'comparing {path.name}'):
        batch = range(first, min(first + BATCH, len(store)))
        for name, rows in sources.items():
            before, after = rows.gather(batch), store[name].gather(batch)
            if not np.array_equal(before.astype(after.dtype), after, equal_nan=True):
                raise DataError(f'{path}: {name!r} differs from {rows.path} between the videos {batch[0]} and '
                                f'{batch[-1]}; --overwrite packs it anew')
            if np.isfinite(before).all() and not np.isfinite(after).all():
                raise DataError(f'{rows.path}: numbers up to {np.abs(before).max():g} do not fit into {after.dtype}; '
                                'pack them with --dtype float32 --overwrite')
            changes[name].see(before, after)
    return changes


def pack_features(args: argparse.Namespace) -> None:
    """Pack and compare the features of the videos, and those of background videos if they are there."""
    noisy_files = [args.folder / f'{FILES[name]}_noisy.h5' for name in ('visual', 'audio')]
    jobs = [('', STORE, 'row')]
    if all(path.is_file() for path in noisy_files):
        jobs.append(('_noisy', STORE_NOISY, 'background'))
    for suffix, name, prefix in jobs:
        sources = sources_of(args.folder, suffix)
        pack(sources, args.out / name, args.dtype, prefix, args.overwrite)
        changes = compare(sources, args.out / name)
        store = FeatureStore(args.out / name)
        print(f'{store.path}: {describe(store)}, {Path(store.path).stat().st_size / 2**30:.2f} GiB, content '
              f'{store.content_key[:16]}')
        for array, change in changes.items():
            print(f'  {array}: {change}')
    if len(jobs) == 1:
        print(f'no features of background videos ({noisy_files[0].name}): weak training takes background=False')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    args.out = args.out or args.folder
    if not args.folder.is_dir():
        raise ConfigError(f'{args.folder}: no such folder; it has to hold the published files of AVE')
    args.out.mkdir(parents=True, exist_ok=True)
    if args.out != args.folder:
        copy_small_files(args.folder, args.out)
    write_labels(args.folder, args.out, args.overwrite)
    found = check_official(args.folder)
    others = [name for name, official in found.items() if not official]
    if found:
        print(f'{len(found) - len(others)} of {len(found)} small files are the published ones, by their checksums'
              + (f'; not so: {", ".join(others)}' if others else ''))
    if not args.labels_only:
        pack_features(args)


if __name__ == '__main__':
    run_cli(main)
