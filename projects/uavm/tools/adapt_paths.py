"""Rewrite the paths of the published VGGSound lists to where the features are on this machine.

Of each clip the labels stay; the files become <root>/audio_feat_convnext_2/<id>.npy and
<root>/video_feat_convnext_2/<id>.npy, the id being the name of the published file of audio features. The lists are
replaced, or written to --out. Both names of the published lists are known, with and without _2.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils import DataError
from avmm.utils.cli import run_cli
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser
from projects.uavm.uavm.datasets.clip_files import read_clips

EXAMPLES = """
python projects/uavm/tools/adapt_paths.py data/vggsound/datafile --features data/vggsound/vgg_feat
python projects/uavm/tools/adapt_paths.py datafile --relative-to data/vggsound --features data/vggsound/vgg_feat
"""
LISTS = ('train_vgg_convnext', 'test_vgg_convnext')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('folder', type=resolve_data_root, help='folder of the lists')
    parser.add_argument('--features', type=resolve_data_root, default=Path('vgg_feat'),
                        help='folder of the two folders of features (default: vgg_feat)')
    parser.add_argument('--relative-to', type=resolve_data_root,
                        help='write paths relative to this folder, the data_root of the configs (default: absolute)')
    parser.add_argument('--out', type=resolve_data_root, help='where to write (default: the same folder)')
    return parser.parse_args(argv)


def adapted(clips: list[dict], features: Path, relative_to: Path | None) -> list[dict]:
    """The clips with paths below ``features``."""
    base = Path(os.path.abspath(features))
    if relative_to is not None:
        base = Path(os.path.relpath(base, os.path.abspath(relative_to)))
    made = []
    for clip in clips:
        # Published paths are those of a Linux machine.
        name = PurePosixPath(clip['afeat']).stem
        made.append(dict(labels=clip['labels'], afeat=str(base / 'audio_feat_convnext_2' / f'{name}.npy'),
                         vfeat=str(base / 'video_feat_convnext_2' / f'{name}.npy')))
    return made


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = args.out or args.folder
    for name in LISTS:
        names = [path for path in (args.folder / f'{name}.json', args.folder / f'{name}_2.json') if path.is_file()]
        if not names:
            raise DataError(f'{args.folder / name}.json: the list is missing')
        clips = adapted(read_clips(names[0], ['labels', 'afeat']), args.features, args.relative_to)
        out.mkdir(parents=True, exist_ok=True)
        target = out / names[0].name
        unfinished = target.with_name(f'{target.name}.part')
        unfinished.write_text(json.dumps(dict(data=clips), indent=1), encoding='utf-8')
        os.replace(unfinished, target)
        print(f'{target}: {len(clips)} clips')


if __name__ == '__main__':
    run_cli(main)
