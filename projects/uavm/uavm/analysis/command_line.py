"""What the commands of the figures share."""
from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from avmm.engine.checkpoint import write_atomically
from avmm.utils.config import OptionsAction
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_device_args, tool_parser
from projects.uavm.uavm.analysis.runs import Run, find_run

RUNS_HELP = ('work directories, of which the best or last checkpoint counts, or CONFIG:CHECKPOINT; checkpoints of the '
             'official program are converted on the way')


def figure_parser(description: str, examples: str, out_dir: str) -> argparse.ArgumentParser:
    """A parser with the runs, and where the results go."""
    parser = tool_parser(description, examples)
    parser.add_argument('runs', nargs='*', metavar='RUN', help=RUNS_HELP)
    parser.add_argument('--repeats', type=int, help='repeats that every setting has to have, such as 3')
    parser.add_argument('--out-dir', default=out_dir, help=f'folder of tables and pictures (default: {out_dir})')
    parser.add_argument('--format', choices=['png', 'pdf', 'svg'], default='png', help='of pictures (default: png)')
    return parser


def add_data_args(parser: argparse.ArgumentParser, per_class: int = 0) -> None:
    """Add what is read by the models, and how."""
    parser.add_argument('--split', default='test', help='split to read (default: test)')
    parser.add_argument('--per-class', type=int, default=per_class,
                        help=f'clips of each class, the first ones; 0 for all (default: {per_class})')
    parser.add_argument('--feat-norm', action='store_true',
                        help='normalise the features as in training; the published analyses do not')
    parser.add_argument('--batch-size', type=int, default=400, help='default: 400')
    parser.add_argument('--workers', type=int, help="worker processes (default: the config's)")
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, default={}, metavar='KEY=VALUE',
                        help='settings of the configs to override')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let a checkpoint run code; only for files you trust')
    add_device_args(parser)


def runs_of(args: argparse.Namespace) -> list[Run]:
    """The runs that the command line names.

    Raises:
        ConfigError: If one is named twice, or is none.
    """
    runs = [find_run(argument, args.cfg_options) for argument in args.runs]
    twice = {run.name for run in runs if sum(other.checkpoint == run.checkpoint for other in runs) > 1}
    if twice:
        raise ConfigError(f'{min(twice)} is named twice')
    return runs


def loader_of(run: Run, args: argparse.Namespace):
    """The loader of the split that the command line names, and its number of clips."""
    from mmengine.registry import init_default_scope

    from avmm.utils.prepare import prepare_data
    from avmm.utils.tooling import REPO_ROOT
    from projects.uavm.uavm.analysis.runs import open_split
    init_default_scope(run.cfg.get('default_scope', 'avmm'))
    prepare_data(run.cfg, REPO_ROOT)
    loader = open_split(run.cfg, args.split, None if args.feat_norm else False, args.per_class, args.batch_size,
                        args.workers)
    return loader, len(loader.dataset)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> Path:
    """Write a csv file that is either whole or not there; floats with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows([f'{cell:.6g}' if isinstance(cell, float) else cell for cell in row] for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        file.write(text.getvalue().encode())
    return path
