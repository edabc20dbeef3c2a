"""Make what the recipe of UAVM needs of AV-Digits: videos with sound, the list of classes, and the lists of clips.

    <out>/labels.csv                   ten classes, digit_0 to digit_9
    <out>/train.json, <out>/test.json  wav, labels, afeat and vfeat of every clip, relative to the folder of AV-Digits
    <out>/clips/<clip id>.mkv          its frames in one second, and its sound, without loss

AV-Digits is made first where it is absent.
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.media import read_audio, read_image, write_video
from avmm.utils import DataError
from avmm.utils.cli import run_cli, track
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import REPO_ROOT, tool_parser

EXAMPLES = """
python projects/uavm/tools/av_digits_clips.py
python projects/uavm/tools/av_digits_clips.py --out /tmp/av_digits/uavm
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out', type=resolve_data_root, default=resolve_data_root('data/av_digits/uavm'),
                        help='folder to make, inside that of AV-Digits (default: data/av_digits/uavm)')
    parser.add_argument('--limit', type=int, help='clips of each split; all by default')
    return parser.parse_args(argv)


def make_digits(folder: Path) -> None:
    """Make AV-Digits as the configs want it, unless it is there."""
    if (folder / 'train.csv').is_file():
        return
    script = REPO_ROOT / 'tools/dataset_converters/av_digits.py'
    command = [sys.executable, str(script), '--out', str(folder), '--audio-snr', '10', '--visual-noise', '0.4']
    if subprocess.run(command).returncode:
        raise DataError(f'{folder}: AV-Digits could not be made; the message of its converter stands above')


def clips_of(digits: Path, split: str, limit: int | None) -> list[tuple[str, str]]:
    """``(clip id, digit)`` of a split."""
    with open(digits / f'{split}.csv', newline='', encoding='utf-8') as file:
        return [(name, label) for name, label in csv.reader(file)][:limit]


def write_clip(digits: Path, split: str, name: str, label: str, path: Path) -> None:
    """One video with its sound."""
    folder = digits / split / 'video' / label / name
    frames = [np.asarray(read_image(file).convert('RGB'))
              for file in sorted(folder.glob('*.jpg'), key=lambda f: int(f.stem.split('_')[1]))]
    sound, rate = read_audio(digits / split / 'audio' / label / f'{name}.wav')
    write_video(path, frames, len(frames), sound, rate, form='lossless')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    digits = args.out.parent
    if args.out.exists():
        print(f'{args.out}: is there already')
        return
    make_digits(digits)
    unfinished = args.out.with_name(f'.{args.out.name}.part')
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / 'clips').mkdir(parents=True)
    with open(unfinished / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'mid', 'display_name'])
        writer.writerows([i, f'digit_{i}', f'digit {i}'] for i in range(10))
    for split in ('train', 'test'):
        clips = clips_of(digits, split, args.limit)
        for name, label in track(clips, f'clips of {split}'):
            write_clip(digits, split, name, label, unfinished / 'clips' / f'{name}.mkv')
        data = [dict(wav=f'{split}/audio/{label}/{name}.wav', labels=f'digit_{label}',
                     afeat=f'{args.out.name}/features/{name}.npy', vfeat=f'{args.out.name}/features/{name}.npy')
                for name, label in clips]
        (unfinished / f'{split}.json').write_text(json.dumps(dict(data=data), indent=1), encoding='utf-8')
    os.replace(unfinished, args.out)


if __name__ == '__main__':
    run_cli(main)
