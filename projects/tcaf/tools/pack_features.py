"""Pack the published features of a zero-shot data set into one file that is read in batches.

Features are those of a folder with audio/<stage>/<class>.pkl and video/<stage>/<class>.pkl (sequences) or .h5 (means
over time), or the _features_processed/<features> that the published programs leave after a first run. What is
interrupted goes on where it was when the command is given again; the file appears when it is whole.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser
from projects.tcaf.tcaf.cache_files import CacheFolder
from projects.tcaf.tcaf.class_splits import CLASS_SPLITS, read_class_split
from projects.tcaf.tcaf.packing import PackedClips, pack_features

EXAMPLES = """
python projects/tcaf/tools/pack_features.py data/avgzsl/UCF/features/cls_features_non_averaged
python projects/tcaf/tools/pack_features.py data/avgzsl/UCF/features/cls_features_non_averaged --dtype float16
python projects/tcaf/tools/pack_features.py data/avgzsl/UCF/features/cls_features_non_averaged --average \\
    --out data/avgzsl/UCF/features/cls_features.h5
python projects/tcaf/tools/pack_features.py UCF/_features_processed/cls_features_non_averaged \\
    --data-root data/avgzsl/UCF
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('folder', type=resolve_data_root, help='folder of the features')
    parser.add_argument('--out', type=resolve_data_root, help='file to make (default: <folder>.h5)')
    parser.add_argument('--dtype', choices=['float32', 'float16'],
                        help='type of what is no whole number (default: that of the files)')
    parser.add_argument('--average', action='store_true', help='make means over time of sequences')
    parser.add_argument('--data-root', type=resolve_data_root,
                        help='folder with class-split, which files of a first run need')
    parser.add_argument('--class-split', choices=CLASS_SPLITS, default='cls_split',
                        help='division that they were made with (default: cls_split)')
    parser.add_argument('--verify', action='store_true', help='read the packed file again and compare its digests')
    parser.add_argument('--overwrite', action='store_true', help='replace a packed file')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Pack, and say what there is."""
    args = parse_args(argv)
    source = args.folder
    if CacheFolder.is_one(args.folder):
        if args.data_root is None:
            raise ConfigError('--data-root: files of a first run name classes by number; say where class-split is')
        source = CacheFolder(args.folder, read_class_split(args.data_root, args.class_split), args.class_split)
    out = args.out or args.folder.with_name(f'{args.folder.name}.h5')
    pack_features(source, out, args.dtype, args.average, args.overwrite, lambda items: track(items, 'packing'))
    packed = PackedClips(out)
    if args.verify:
        packed.store.verify(lambda blocks, total: track(blocks, 'verifying', total))
    shapes = ', '.join(f'{name} {" x ".join("T" if n is None else str(n) for n in packed.store[name].shape)} '
                       f'{packed.store[name].dtype}' for name in ('audio', 'visual'))
    print(f'{out}: {len(packed.store)} clips of {len(packed.classes)} classes, {packed.kind}: {shapes}')


if __name__ == '__main__':
    run_cli(main)
