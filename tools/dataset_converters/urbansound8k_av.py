"""Prepare UrbanSound8K-AV: check the pictures and sounds of the download, and write down how it is split.

The download has Dataset_v3_vision/<class>/<clip>.jpg and Dataset_v3_sound/<class>/<clip>.wav, which is what the data
set reads too. Pairs that can be read are copied or linked, and the split is written to a file::

    data/urbansound8k_av/
        split.csv                    clip,class,part of each complete clip: ann_file='split.csv' reads it
        Dataset_v3_vision/<class>/<clip>.jpg
        Dataset_v3_sound/<class>/<clip>.wav
        preparation.json             what was dropped and why

There is no published list. The first 70 % of the pictures of each class are for training, with the rounding of the
published code. They are sorted by name; --order folder takes them as the file system lists them, as the published code
does, for those who have its disk. Dropped clips take part in the count, so that the split of the others stays the same
once they are there. A command that was interrupted or killed goes on where it was when it is given again. The exit
status is 1 if clips were dropped, 2 if nothing could be made.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.datasets import UrbanSound8KAV
from avmm.datasets.preparation import (
    ClipJob,
    Pictures,
    check_source,
    content_options,
    files_by_stem,
    preparation_parser,
    prepare,
)
from avmm.datasets.transforms.loading_frames import IMAGE_SUFFIXES
from avmm.datasets.urbansound8k_av import training_sizes
from avmm.utils import ConfigError, DataError
from avmm.utils.cli import run_cli

EXAMPLES = """
python tools/dataset_converters/urbansound8k_av.py downloads/UrbanSound8K-AV
python tools/dataset_converters/urbansound8k_av.py downloads/UrbanSound8K-AV --link --workers 8
python tools/dataset_converters/urbansound8k_av.py downloads/UrbanSound8K-AV --out data/us8k_small --short-side 256
"""
VISION, SOUND, LIST = 'Dataset_v3_vision', 'Dataset_v3_sound', 'split.csv'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = preparation_parser(__doc__, EXAMPLES, 'data/urbansound8k_av')
    parser.add_argument('--link', action='store_true', help='link files that stay as they are, where that is possible')
    parser.add_argument('--train-fraction', type=float, default=0.7,
                        help='part of each class for training (%(default)s)')
    parser.add_argument('--order', choices=['sorted', 'folder'], default='sorted',
                        help='order of the clips of a class (%(default)s)')
    return parser.parse_args(argv)


def list_jobs(args: argparse.Namespace) -> Iterator[ClipJob]:
    """The clips of all classes, those first that have a picture."""
    classes = UrbanSound8KAV.METAINFO['classes']
    pictures = [files_by_stem(args.source / VISION / label, IMAGE_SUFFIXES) for label in classes]
    sizes = training_sizes([len(found) for found in pictures], args.train_fraction)
    for label, found, size in zip(classes, pictures, sizes, strict=True):
        sounds = files_by_stem(args.source / SOUND / label, ('.wav', ))
        if not found:
            raise DataError(f'{args.source / VISION / label}: no pictures')
        clips = sorted(found) if args.order == 'sorted' else list(found)
        # A sound without a picture is dropped, and said to be.
        for place, clip in enumerate([*clips, *sorted(set(sounds) - set(found))]):
            part = 'train' if place < size else 'test'
            paths = {key: args.out / path.format(id=clip, label=label) for key, path in UrbanSound8KAV.LAYOUT.items()}
            yield ClipJob(clip=clip, part=part, line=f'{clip},{label},{part}', list_file=LIST, picture=found.get(clip),
                          sound=sounds.get(clip), pictures=(Pictures(paths['image_path']), ),
                          sound_target=paths['audio_path'], out=args.out, short_side=args.short_side, link=args.link)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    inner = args.source / 'UrbanSound8K-AV'
    args.source = inner if inner.is_dir() else args.source
    check_source(args, VISION, SOUND)
    if not 0 < args.train_fraction < 1:
        raise ConfigError(f'--train-fraction {args.train_fraction}: choose a number between 0 and 1')
    return prepare('UrbanSound8K-AV', args, list_jobs(args), content_options(args))


if __name__ == '__main__':
    run_cli(main)
