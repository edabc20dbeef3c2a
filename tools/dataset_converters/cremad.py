"""Prepare CREMA-D: the download of its repository and the lists of OGM-GE become what the data set reads.

The download has VideoFlash/<clip>.flv and AudioWAV/<clip>.wav. The published lists train.csv and test.csv, a clip and
its emotion a line, lie beside them or in --lists. Of every listed clip the wav is checked and copied, and the first
frame becomes its picture, as frames are taken once a second from the first one on (--frames-per-second writes these
too)::

    data/cremad/
        train.csv  test.csv          the lines of the clips that are complete
        processed_dataset/{train,test}/visual/<emotion>/<clip>.jpg
        processed_dataset/{train,test}/audio/<emotion>/<clip>.wav
        Image-01-FPS/<clip>/<index of the frame, 5 digits>.jpg    with --frames-per-second 1
        preparation.json             what was dropped and why

A command that was interrupted or killed goes on where it was when it is given again. The exit status is 1 if clips
were dropped, 2 if nothing could be made.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.datasets import CREMAD
from avmm.datasets.preparation import (
    ClipJob,
    Pictures,
    check_source,
    clip_jobs,
    content_options,
    files_by_stem,
    preparation_parser,
    prepare,
    steps_of_each_second,
)
from avmm.datasets.preparation.clip_job import VIDEO_SUFFIXES
from avmm.utils import ConfigError
from avmm.utils.cli import run_cli

EXAMPLES = """
python tools/dataset_converters/cremad.py downloads/CREMA-D --lists downloads/lists
python tools/dataset_converters/cremad.py downloads/CREMA-D --frames-per-second 1 --workers 8
python tools/dataset_converters/cremad.py downloads/CREMA-D --out data/cremad_small --short-side 256 --link
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = preparation_parser(__doc__, EXAMPLES, 'data/cremad', 'train.csv and test.csv')
    parser.add_argument('--frames-per-second', type=int, default=0, metavar='N',
                        help='also write N frames of every second (default: only the first frame of a clip)')
    parser.add_argument('--link', action='store_true', help='link the wav files, where that is possible')
    return parser.parse_args(argv)


def list_jobs(args: argparse.Namespace) -> Iterator[ClipJob]:
    """The clips of both lists."""
    videos = files_by_stem(args.source / 'VideoFlash', VIDEO_SUFFIXES)
    sounds = files_by_stem(args.source / 'AudioWAV', ('.wav', ))
    kept = args.frames_per_second

    def sources(clip: str, label: str) -> dict:
        folder = args.out / f'Image-{kept:02d}-FPS' / clip
        return dict(picture=videos.get(clip), sound=sounds.get(clip),
                    pictures=(Pictures(folder, partial(steps_of_each_second, kept=kept)), ) if kept else ())

    for part, name in CREMAD.LISTS.items():
        data = CREMAD(str((args.lists / name).resolve()), data_root=str(args.out.absolute()), split=part)
        yield from clip_jobs(data, name, sources, args.out, short_side=args.short_side, link=args.link,
                             short_sound=1.0)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_source(args, 'VideoFlash', 'AudioWAV')
    if args.frames_per_second < 0:
        raise ConfigError(f'--frames-per-second {args.frames_per_second}: choose 0 (only the first frame) or more')
    return prepare('CREMA-D', args, list_jobs(args), content_options(args, 'frames_per_second'))


if __name__ == '__main__':
    run_cli(main)
