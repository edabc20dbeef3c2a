"""Read every file of a data set and say what is missing, unreadable or too short.

The exit status is 1 when something is wrong.
"""
from __future__ import annotations

import argparse
import csv
import functools
import multiprocessing
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.checking import WRONG, Finding, check_clip
from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import SPLITS, add_config_args, build_dataset, check_out, config_from, tool_parser

EXAMPLES = """
python tools/analysis_tools/verify_dataset.py configs/quickstart/av_digits.py
python tools/analysis_tools/verify_dataset.py CONFIG --split train test --min-seconds 1 --min-frames 3 --out report.csv
python tools/analysis_tools/verify_dataset.py CONFIG --quick --classes
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--split', nargs='+', choices=SPLITS, help='splits to read (default: all that there are)')
    parser.add_argument('--min-seconds', type=float, default=0.1, metavar='S', help='shortest sound (default: 0.1)')
    parser.add_argument('--min-frames', type=int, default=1, metavar='N', help='fewest frames of a clip (default: 1)')
    parser.add_argument('--quick', action='store_true', help='look at the presence and the headers of files alone')
    parser.add_argument('--classes', action='store_true', help='print the number of clips of every class')
    parser.add_argument('--show', type=int, default=10, help='findings to print a split (default: 10)')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, 8),
                        help='processes; 0 reads in this one (default: one a core, at most 8)')
    parser.add_argument('--out', help='write every finding to this .csv file')
    return parser.parse_args(argv)


def check_all(clips: list[dict], args: argparse.Namespace, description: str) -> Iterator[list[Finding]]:
    """What :func:`check_clip` finds, clip by clip in their order."""
    check = functools.partial(check_clip, min_seconds=args.min_seconds, min_frames=args.min_frames,
                              decode=not args.quick)
    if args.workers < 1:
        yield from track(map(check, clips), description, len(clips))
        return
    # As the data loader does: a forked process starts at once, a fresh one imports everything again.
    context = multiprocessing.get_context('fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn')
    with ProcessPoolExecutor(args.workers, context) as pool:
        yield from track(pool.map(check, clips, chunksize=16), description, len(clips))


def verify(dataset, split: str, args: argparse.Namespace) -> list[list[str]]:
    """Print the report of a split; returns a row for each finding."""
    if not hasattr(dataset, 'get_data_info'):
        raise ConfigError(f'{type(dataset).__name__} does not say where its files are, so there is nothing to verify')
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    keys = ('audio_path', 'frame_dir', 'frame_paths', 'video_path')
    clips = [{key: info[key] for key in keys if key in info} for info in infos]
    classes = list(dataset.metainfo.get('classes') or ())
    rows, kinds, bad = [], Counter(), set()
    for info, findings in zip(infos, check_all(clips, args, f'reading {split}'), strict=True):
        kinds.update(finding.kind for finding in findings)
        for finding in findings:
            rows.append([split, info['sample_id'], class_name(info, classes), finding.kind, finding.file,
                         finding.message])
            if finding.kind in WRONG:
                bad.add(info['sample_id'])
    counts = Counter(class_name(info, classes) for info in infos)
    print(f'{split}: {len(infos)} clips, fingerprint {dataset.fingerprint()}')
    sizes = [counts[name] for name in classes or counts]
    print(f'  {len(sizes)} classes of {min(sizes)} to {max(sizes)} clips, median {statistics.median(sizes):g}'
          + ''.join(f'; no clip of {name}' for name in classes if not counts[name]))
    if args.classes:
        for name in classes or sorted(counts):
            print(f'    {counts[name]:>7}  {name}')
    print(f'  {len(bad)} clips are wrong' + ''.join(f'; {number} {kind}' for kind, number in sorted(kinds.items())))
    for row in rows[:args.show]:
        print(f'  {row[3]}: {row[5]}')
    if len(rows) > args.show:
        print(f'  and {len(rows) - args.show} more' + ('' if args.out else ': --out writes them all'))
    return rows


def class_name(info: dict, classes: list[str]) -> str:
    label = info.get('gt_label')
    return str(classes[label]) if isinstance(label, int) and label < len(classes) else str(label)


def report_shared_clips(names: dict[str, set[str]]) -> None:
    """Say which splits have clips in common."""
    splits = list(names)
    for i, first in enumerate(splits):
        for second in splits[i + 1:]:
            shared = names[first] & names[second]
            if shared:
                print(f'{first} and {second} share {len(shared)} of their clips, such as {min(shared)}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    cfg = config_from(args, with_data=True)
    splits = args.split or [split for split in SPLITS if cfg.get(f'{split}_dataloader')]
    rows, names = [], {}
    for split in splits:
        dataset = build_dataset(cfg, split)
        rows += verify(dataset, split, args)
        names[split] = {str(dataset.get_data_info(i)['sample_id']) for i in range(len(dataset))}
    report_shared_clips(names)
    if args.out:
        with check_out(args.out, ('.csv', )).open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['split', 'sample_id', 'class', 'kind', 'file', 'message'])
            writer.writerows(rows)
        print(f'report: {args.out}')
    return 1 if any(row[3] in WRONG for row in rows) else 0


if __name__ == '__main__':
    run_cli(main)
