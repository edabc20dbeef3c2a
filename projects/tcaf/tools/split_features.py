"""Bring extracted features into the stages and classes of the benchmark, straight into the packed file.

Extracted features are a feature store with the arrays audio and visual, as tools/feature_extraction makes them, or the
pickles of the published scripts. Which clips belong to a stage and class is in the published tables
class-split/<class split>/<stage>.csv, or in the mapping pickles (VGGSound has no table of its first stage; its mapping
of SeLaVi features serves those of C3D and VGGish too, as the clips are the same).
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
from projects.tcaf.tcaf.class_splits import CLASS_SPLITS
from projects.tcaf.tcaf.packing import PackedClips
from projects.tcaf.tcaf.splitting import (
    Extracted,
    checked_mappings,
    read_clip_lists,
    read_mapping,
    split_features,
    write_class_files,
)

EXAMPLES = """
python projects/tcaf/tools/split_features.py data/avgzsl/UCF extracted/ucf.h5
python projects/tcaf/tools/split_features.py data/avgzsl/UCF ucf_no_averaged.pkl --files
python projects/tcaf/tools/split_features.py data/avgzsl/VGGSound selavi.pkl --features main_features_non_averaged \\
    --mapping mapping_audio_files_main_features_vggsound.pickle mapping_videos_files_main_features_vggsound.pickle
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('data_root', type=resolve_data_root, help='folder of the data set, with class-split')
    parser.add_argument('extracted', nargs='+', help='extracted features: .h5 of AVMM, or published pickles')
    parser.add_argument('--features', default='cls_features_non_averaged',
                        help='name of the features (default: cls_features_non_averaged)')
    parser.add_argument('--class-split', choices=CLASS_SPLITS, default='main_split',
                        help='whose tables to read; both list the same clips (default: main_split)')
    parser.add_argument('--mapping', nargs='+', metavar='PICKLE',
                        help='mapping pickles in the place of the tables, of one modality or of both')
    parser.add_argument('--whole-names', action='store_true',
                        help='do not cut names at their first dot (default for features called main_...)')
    parser.add_argument('--files', action='store_true',
                        help='also write the published files features/<features>/{audio,video}/<stage>/<class>.pkl')
    parser.add_argument('--overwrite', action='store_true', help='replace a packed file')
    args = parser.parse_args(argv)
    if args.mapping and len(args.mapping) > 2:
        raise ConfigError(f'--mapping takes a pickle a modality, got {len(args.mapping)}')
    return args


def main(argv: list[str] | None = None) -> None:
    """Divide, and say what is missing."""
    args = parse_args(argv)
    if args.mapping:
        mappings = [read_mapping(path) for path in args.mapping]
        lists = checked_mappings(mappings[0], mappings[-1])
    else:
        lists = read_clip_lists(args.data_root, args.class_split)
    extracted = Extracted(args.extracted, cut=not (args.whole_names or args.features.startswith('main_')))
    folder = args.data_root / 'features' / args.features
    if args.files:
        write_class_files(extracted, lists, folder, lambda items: track(items, 'writing'))
    out = folder.with_name(f'{folder.name}.h5')
    missing = split_features(extracted, lists, out, args.overwrite, lambda items: track(items, 'packing'))
    print(f'{out}: {len(PackedClips(out).store)} clips')
    if missing:
        print(f'{len(missing)} clips of the lists have no features, such as {", ".join(missing[:3])}')


if __name__ == '__main__':
    run_cli(main)
