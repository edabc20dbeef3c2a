"""Pack the features of clips, a NumPy file for each, into one feature store that is read in batches.

An array of the store comes from a folder of .npy files, whose names without the suffix are those of the items, or from
an entry of the clips in a json list of the form {"data": [{"afeat": "a/x.npy", "vfeat": "v/x.npy", ...}, ...]}. The
first size of an item may vary (features of time steps). Items whose files are missing or damaged stop the command, or
are left out and named in <OUT>.report.json with --skip. An interrupted command goes on where it was when it is given
again; the store appears whole or not at all.

With --norms the store also has the length of every row, as <NAME>_norm: a data set that divides rows by their length
then need not compute it in every epoch.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.datasets.preparation import map_in_processes
from avmm.utils import ConfigError, DataError
from avmm.utils.cli import run_cli, track
from avmm.utils.paths import checked_path, resolve_data_root
from avmm.utils.tooling import tool_parser

EXAMPLES = """
python tools/dataset_converters/pack_features.py data/vggsound/train.h5 --dtype float16 \\
    --list data/vggsound/datafile/train_vgg_convnext.json --data-root data/vggsound --arrays audio=afeat visual=vfeat
python tools/dataset_converters/pack_features.py features.h5 --arrays audio=features/audio visual=features/video
"""


@dataclass(frozen=True)
class Item:
    """One item: its name, and the file of each of its arrays."""
    key: str
    paths: Mapping[str, str]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('out', type=resolve_data_root, help='the store to make')
    parser.add_argument('--arrays', nargs='+', required=True, metavar='NAME=FOLDER|ENTRY',
                        help='arrays of the store, each from a folder, or with --list from an entry of the clips')
    parser.add_argument('--list', type=resolve_data_root, help='json list of the clips')
    parser.add_argument('--data-root', type=resolve_data_root, default=Path('.'),
                        help='folder that the paths of the list are relative to (default: this one)')
    parser.add_argument('--allowed-roots', nargs='+', default=[],
                        help='further folders that the paths of the list may lead into')
    parser.add_argument('--dtype', choices=['float16', 'float32'], default='float16',
                        help='type of the packed features (default: float16)')
    parser.add_argument('--norms', action='store_true', help='also store the length of every row (of the packed type)')
    parser.add_argument('--workers', type=int, default=4, help='processes that read (default: 4; 0: this one alone)')
    parser.add_argument('--skip', action='store_true', help='leave out items that cannot be read, and report them')
    parser.add_argument('--overwrite', action='store_true', help='replace a store that is there')
    args = parser.parse_args(argv)
    pairs = [text.partition('=') for text in args.arrays]
    if any(not name or not value for name, _, value in pairs) or len({p[0] for p in pairs}) != len(pairs):
        raise ConfigError(f'--arrays {" ".join(args.arrays)}: each is NAME=FOLDER, or NAME=ENTRY with --list, with a '
                          'name of its own')
    if args.workers < 0:
        raise ConfigError(f'--workers {args.workers}: must be 0 or more')
    args.arrays = {name: value for name, _, value in pairs}
    return args


def items_of_folders(folders: Mapping[str, str]) -> list[Item]:
    """Items of folders: the names that are in all of them, sorted."""
    found = {}
    for name, folder in folders.items():
        folder = resolve_data_root(folder)
        if not folder.is_dir():
            raise DataError(f'{folder}: there is no such folder')
        found[name] = {path.stem: os.fspath(path) for path in folder.glob('*.npy')}
    keys = sorted(set.intersection(*(set(files) for files in found.values())))
    if not keys:
        raise DataError(f'{", ".join(folders.values())}: no name of a .npy file is in all of the folders')
    return [Item(key, {name: files[key] for name, files in found.items()}) for key in keys]


def items_of_list(path: Path, entries: Mapping[str, str], root: Path, allowed: list[str]) -> list[Item]:
    """Items of a json list, in its order; a clip that occurs twice is one item."""
    try:
        clips = json.loads(path.read_bytes())['data']
    except FileNotFoundError:
        raise DataError(f'{path}: the list is missing') from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{path}: not a list of the form {{"data": [...]}} ({error})') from None
    items: dict[str, Item] = {}
    for number, clip in enumerate(clips):
        if not isinstance(clip, dict) or any(not isinstance(clip.get(entry), str) for entry in entries.values()):
            raise DataError(f'{path}: clip {number} needs the entries {", ".join(entries.values())}')
        paths = {name: os.fspath(checked_path(clip[entry], root, allowed)) for name, entry in entries.items()}
        key = Path(next(iter(paths.values()))).stem
        if items.setdefault(key, Item(key, paths)).paths != paths:
            raise DataError(f'{path}: clip {number}: {key!r} is the name of another clip as well, whose files lie '
                            'elsewhere')
    return list(items.values())


def read_item(item: Item, dtype: str, norms: bool = False) -> tuple[Item, dict[str, np.ndarray] | str]:
    """The arrays of an item, or why it cannot be read."""
    arrays = {}
    for name, path in item.paths.items():
        try:
            value = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            return item, f'{path}: the file is missing'
        except (OSError, ValueError, EOFError) as error:
            return item, f'{path}: cannot be read as a NumPy file ({" ".join(str(error).split())})'
        if not isinstance(value, np.ndarray) or value.ndim == 0 or value.dtype.kind not in 'fiu':
            return item, f'{path}: no array of numbers'
        with np.errstate(over='ignore'):
            packed = value.astype(dtype)
        if not np.isfinite(packed).all():
            return item, f'{path}: numbers that are not finite as {dtype}'
        arrays[name] = packed
        if norms:
            arrays[f'{name}_norm'] = np.linalg.norm(packed.astype(np.float32), axis=-1)
    return item, arrays


def crashed(item: Item) -> tuple[Item, str]:
    """What becomes of an item that ends the process that reads it."""
    return item, f'{next(iter(item.paths.values()))}: reading it ends the process'


def specs_of(items: list[Item], dtype: str, norms: bool, skip: bool) -> dict[str, ArraySpec]:
    """Shapes of the arrays, by the first item that can be read."""
    for item in items:
        _, found = read_item(item, dtype, norms)
        if not isinstance(found, str):
            return {name: ArraySpec((None, *value.shape[1:]), value.dtype.name) for name, value in found.items()}
        if not skip:
            raise DataError(found)
    raise DataError('no item can be read')


def pack(items: list[Item], args: argparse.Namespace) -> dict[str, str]:
    """Write the store; returns why items were left out."""
    left_out: dict[str, str] = {}
    specs = specs_of(items, args.dtype, args.norms, args.skip)
    writer = FeatureStoreWriter(args.out, specs, [item.key for item in items],
                                dict(source=str(args.list or list(args.arrays.values()))), args.overwrite)
    try:
        if len(writer):
            print(f'{len(writer)} of {len(items)} items are there already')
        waiting = [item for item in items if item.key not in writer]
        for item, found in track(_read(waiting, args), 'packing', len(waiting)):
            if not isinstance(found, str):
                try:
                    writer.add(item.key, **found)
                    continue
                except DataError as error:
                    found = str(error)
            if not args.skip:
                raise DataError(found)
            left_out[item.key] = found
    except BaseException:
        writer.__exit__(DataError, None, None)
        raise
    writer.close(missing='leave_out' if args.skip else 'refuse')
    return left_out


def _read(items: list[Item], args: argparse.Namespace) -> Iterator[tuple[Item, dict[str, np.ndarray] | str]]:
    return map_in_processes(partial(read_item, dtype=args.dtype, norms=args.norms), items, args.workers, crashed)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    items = (items_of_folders(args.arrays) if args.list is None
             else items_of_list(args.list, args.arrays, args.data_root, args.allowed_roots))
    if args.out.exists() and not args.overwrite:
        there = FeatureStore(args.out)
        if len(there) == len(items) and there.keys == [item.key for item in items]:
            print(f'{args.out}: complete, {len(there)} items')
            return
    left_out = pack(items, args)
    report = Path(f'{args.out}.report.json')
    if left_out:
        report.write_text(json.dumps(dict(left_out=left_out), indent=1))
        print(f'{len(left_out)} items are left out; {report} says why')
    store = FeatureStore(args.out)
    shapes = ', '.join(f'{name} {"x".join(map(str, ["T", *spec.row_shape]))}' for name, spec in store.arrays.items())
    print(f'{args.out}: {len(store)} items, {shapes}, {args.dtype}, {args.out.stat().st_size / 1e9:.2f} GB')


if __name__ == '__main__':
    run_cli(main)
