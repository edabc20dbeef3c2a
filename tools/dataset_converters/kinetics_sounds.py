"""Prepare Kinetics-Sounds: videos of Kinetics-400 and the published lists become what the data set reads.

The download has the videos of Kinetics-400 in any folders, such as train/, val/, test/ and replacement/, with the
YouTube id as the first eleven characters of their names; a video in a folder whose name begins with "replacement" goes
before others of its id. my_train.txt and my_test.txt lie there or in --lists. Of every listed clip ten frames are
taken, shrunk to a shorter side of 256 pixels, and the sound becomes 16 kHz mono::

    data/kinetics_sounds/
        my_train.txt  my_test.txt    the lines of the clips that are complete
        {train,test}/video/<class>/<clip>/frame_{0..9}.jpg    test clips by their YouTube id
        {train,test}/audio/<class>/<clip>.wav
        preparation.json             what was dropped and why

Frames come straight from the downloaded video; the recipe of the publication encodes it as mpeg4 at 512 kbit/s
before. Where annotations/{train,val,test}.csv of Kinetics-400 are in the download, clips of another class than in the
list are noted, as are sounds shorter than a second. A command that was interrupted or killed goes on where it was when
it is given again. The exit status is 1 if clips were dropped, 2 if nothing could be made.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.datasets import KineticsSounds
from avmm.datasets.av_clip_dataset import read_rows
from avmm.datasets.kinetics_sounds import ID_LENGTH
from avmm.datasets.preparation import (
    ClipJob,
    check_source,
    clip_jobs,
    content_options,
    equal_steps,
    preparation_parser,
    prepare,
    walk_files,
)
from avmm.datasets.preparation.clip_job import VIDEO_SUFFIXES
from avmm.utils import DataError
from avmm.utils.cli import run_cli

EXAMPLES = """
python tools/dataset_converters/kinetics_sounds.py downloads/k400 --lists downloads/lists
python tools/dataset_converters/kinetics_sounds.py downloads/k400 --workers 16
python tools/dataset_converters/kinetics_sounds.py downloads/k400 --out data/ks_full_size --short-side 0
"""


class Videos:
    """Videos of a download by their YouTube id.

    Args:
        source: Folder of the download.
    """

    def __init__(self, source: Path):
        self.source = source
        self.by_id: dict[str, list[Path]] = {}
        for path in walk_files(source, VIDEO_SUFFIXES):
            self.by_id.setdefault(path.stem[:ID_LENGTH], []).append(path)
        if not self.by_id:
            raise DataError(f'{source}: no videos ({", ".join(VIDEO_SUFFIXES)}) in it or below')

    def find(self, clip: str, part: str) -> Path | None:
        """The best video of a clip: a replacement, else one of the same part, else one of the same full name."""
        def rank(path: Path) -> tuple:
            folders = path.relative_to(self.source).parts[:-1]
            replaced = any(folder.startswith('replacement') for folder in folders)
            return not replaced, part not in folders, path.stem != clip, str(path)

        return min(self.by_id.get(clip[:ID_LENGTH], []), key=rank, default=None)


def read_annotations(source: Path) -> dict[str, str]:
    """Classes by YouTube id, from the csv files of Kinetics-400, if there are any."""
    found = {}
    for path in sorted((source / 'annotations').glob('*.csv')):
        for number, fields in read_rows(path):
            if len(fields) < 2:
                raise DataError(f'{path}:{number}: a class and a YouTube id are expected, got {",".join(fields)!r}')
            found[fields[1][:ID_LENGTH]] = fields[0].strip('"\'')
    return found


def list_jobs(args: argparse.Namespace) -> Iterator[ClipJob]:
    """The clips of both lists."""
    videos, classes = Videos(args.source), read_annotations(args.source)
    for part, name in KineticsSounds.LISTS.items():

        def sources(clip: str, label: str, part: str = part) -> dict:
            video = videos.find(clip, part)
            other = classes.get(clip[:ID_LENGTH], label)
            note = '' if other == label else f'class: the annotations have another one ({other})'
            return dict(picture=video, sound=video, note=note)

        data = KineticsSounds(str((args.lists / name).resolve()), data_root=str(args.out.absolute()), split=part)
        yield from clip_jobs(data, name, sources, args.out, equal_steps, short_side=args.short_side, short_sound=1.0)


def main(argv: list[str] | None = None) -> int:
    args = preparation_parser(__doc__, EXAMPLES, 'data/kinetics_sounds', 'my_train.txt and my_test.txt',
                              short_side=256).parse_args(argv)
    check_source(args)
    return prepare('Kinetics-Sounds', args, list_jobs(args), content_options(args))


if __name__ == '__main__':
    run_cli(main)
