"""What the commands that prepare a downloaded data set have in common."""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from avmm.datasets.preparation.clip_job import ClipJob, Outcome, make_clip, scratch_of
from avmm.datasets.preparation.processes import map_in_processes
from avmm.media import replacing, sweep_scratch
from avmm.utils import ConfigError, DataError
from avmm.utils.cli import track
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser

REPORT = 'preparation.json'


def preparation_parser(doc: str, examples: str, out: str, lists: str = '',
                       short_side: int | None = None) -> argparse.ArgumentParser:
    """A parser with the arguments of every preparation.

    Args:
        doc: Description.
        examples: Command lines for the help.
        out: Default of ``--out``.
        lists: Names of the lists that ``--lists`` has to hold; '' leaves the option out.
        short_side: Default of ``--short-side``.
    """
    parser = tool_parser(doc, examples)
    parser.add_argument('source', type=Path, help='folder of the download')
    parser.add_argument('--out', type=resolve_data_root, default=resolve_data_root(out),
                        help='folder to make (%(default)s)')
    if lists:
        parser.add_argument('--lists', type=Path, help=f'folder of {lists} (default: that of the download)')
    size = 'size of the pictures is kept' if short_side is None else f'{short_side}; 0 keeps the size'
    parser.add_argument('--short-side', type=int, default=short_side, metavar='PIXELS',
                        help=f'shrink larger pictures to this shorter side (default: {size})')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1,
                        help='processes; 0 works in the one of the command (%(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='remove what an earlier preparation made, and begin anew')
    return parser


def check_source(args: argparse.Namespace, *folders: str) -> None:
    """Check the arguments of :func:`preparation_parser`, and fill in ``--lists``.

    Raises:
        ConfigError: If an argument cannot be.
        DataError: If one of the ``folders`` of the download is not there.
    """
    if args.workers < 0:
        raise ConfigError(f'--workers {args.workers}: choose 0 or more')
    args.short_side = args.short_side or None
    if args.short_side is not None and args.short_side < 16:
        raise ConfigError(f'--short-side {args.short_side}: choose 16 pixels or more, or 0 to keep the size')
    if not args.source.is_dir():
        raise ConfigError(f'{args.source}: no such folder; give the folder of the download')
    # --overwrite removes what is in --out.
    if args.source.resolve().is_relative_to(args.out.resolve()):
        raise ConfigError(f'--out {args.out}: the download is in it; choose another folder')
    for folder in folders:
        if not (args.source / folder).is_dir():
            raise DataError(f'{args.source / folder}: no such folder; the download has it')
    if 'lists' in args:
        args.lists = args.lists or args.source
        if args.lists.resolve().is_relative_to(args.out.resolve()):
            raise ConfigError(f'--lists {args.lists}: lists of what is complete are written to --out; '
                              'keep the published ones in another folder')


def content_options(args: argparse.Namespace, *names: str) -> dict:
    """The arguments that decide what the files hold: ``--short-side`` and those called ``names``."""
    return {name: getattr(args, name) for name in ('short_side', *names)}


def prepare(name: str, args: argparse.Namespace, jobs: Iterable[ClipJob], options: dict) -> int:
    """Make all clips and the lists of those that are complete, and report what was dropped.

    Args:
        name: Name of the data set.
        args: Arguments of :func:`preparation_parser`.
        jobs: The clips.
        options: What decides the content of the files, as plain values: a folder has files of one kind only.

    Returns:
        Exit status: 0 if every clip is complete, 1 if some were dropped.

    Raises:
        DataError: If ``--out`` holds something else, or no clip at all can be made.
    """
    out, scratch = args.out, scratch_of(args.out)
    jobs = list(jobs)
    _claim(out, name, options, args.overwrite)
    sweep_scratch(scratch)
    unique, repeated = _without_repetitions(jobs)
    results = map_in_processes(make_clip, unique, args.workers,
                               lambda job: Outcome(job, 'dropped', 'the process that decoded it crashed'))
    outcomes = [*track(results, name, len(unique)), *repeated]
    outcomes.sort(key=lambda o: (o.job.list_file, o.job.part, o.job.clip))
    report = _report(name, options, outcomes)
    _write(out / REPORT, json.dumps(report, indent=1, ensure_ascii=False) + '\n', scratch)
    dropped = report['dropped']
    if len(dropped) == len(jobs):
        raise DataError(f'{args.source}: none of {len(jobs)} clips can be made; {_groups(dropped)[0][0]} '
                        f'({out / REPORT} has all reasons)')
    _write_lists(out, jobs, outcomes)
    sweep_scratch(scratch)
    for line in _summary(out, report):
        print(line)
    return 1 if dropped else 0


# The folder --------------------------------------------------------------------------------------------------------

def _claim(out: Path, name: str, options: dict, overwrite: bool) -> None:
    """Take a new folder, or go on in one that the same command made."""
    state = dict(dataset=name, options=options, complete=False)
    if out.is_dir() and any(entry != scratch_of(out) for entry in out.iterdir()):
        try:
            before = json.loads((out / REPORT).read_text())
            same, known = before['options'] == options, before['dataset'] == name
        except (OSError, ValueError, KeyError, TypeError):
            same = known = False
        if not known:
            raise DataError(f'{out}: it was not made by this command; choose another --out')
        if not (same or overwrite):
            raise DataError(f'{out}: made with other options ({before["options"]}); '
                            'choose another --out, or --overwrite')
        if overwrite:
            _empty(out)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / REPORT, json.dumps(state) + '\n', scratch_of(out))


def _empty(out: Path) -> None:
    """Remove everything, at last the file that says whose folder it is: a killed removal can be repeated."""
    for entry in sorted(out.iterdir(), key=lambda entry: entry.name == REPORT):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _without_repetitions(jobs: list[ClipJob]) -> tuple[list[ClipJob], list[Outcome]]:
    """The jobs whose files no earlier one makes, and the verdict on the others."""
    seen: set[Path] = set()
    unique, repeated = [], []
    for job in jobs:
        if job.sound_target in seen:
            repeated.append(Outcome(job, 'dropped', 'listed twice'))
        else:
            seen.add(job.sound_target)
            unique.append(job)
    return unique, repeated


def _write(path: Path, text: str, scratch: Path) -> None:
    with replacing(path, scratch) as unfinished:
        unfinished.write_text(text, encoding='utf-8')


# The end -----------------------------------------------------------------------------------------------------------

def _report(name: str, options: dict, outcomes: list[Outcome]) -> dict:
    clips: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        part = clips.setdefault(outcome.job.part, dict(listed=0, complete=0, made_now=0))
        part['listed'] += 1
        part['complete'] += outcome.verdict != 'dropped'
        part['made_now'] += outcome.verdict == 'made'
    dropped = [_row(o) for o in outcomes if o.verdict == 'dropped']
    noted = [_row(o) for o in outcomes if o.verdict != 'dropped' and o.reason]
    return dict(dataset=name, options=options, complete=not dropped, clips=clips, dropped=dropped, noted=noted)


def _row(outcome: Outcome) -> dict:
    return dict(clip=outcome.job.clip, part=outcome.job.part, line=outcome.job.line, reason=outcome.reason)


def _groups(rows: list[dict]) -> list[tuple[str, int]]:
    """Reasons without their details, the most frequent one first."""
    return Counter(re.sub(r' [\[(].*', '', row['reason']) for row in rows).most_common()


def _write_lists(out: Path, jobs: list[ClipJob], outcomes: list[Outcome]) -> None:
    """Write the lines of the clips that are complete, in the order of the published list."""
    complete = {o.job.sound_target for o in outcomes if o.verdict != 'dropped'}
    lists: dict[str, list[str]] = {}
    for job in jobs:
        lines = lists.setdefault(job.list_file, [])
        if job.sound_target in complete:
            lines.append(f'{job.line}\n')
            complete.discard(job.sound_target)
    for name, lines in lists.items():
        _write(out / name, ''.join(lines), scratch_of(out))


def _summary(out: Path, report: dict) -> Iterator[str]:
    for part, counts in sorted(report['clips'].items(), reverse=True):
        yield (f'{report["dataset"]}, {part}: {counts["complete"]} of {counts["listed"]} clips are complete, '
               f'{counts["made_now"]} made now')
    for kind in ('dropped', 'noted'):
        if report[kind]:
            yield f'{kind}: {len(report[kind])}'
        for reason, count in _groups(report[kind]):
            yield f'  {count:6d}  {reason}'
    yield f'report: {out / REPORT}'
