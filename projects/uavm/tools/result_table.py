"""A table of the results of runs of UAVM: the last epoch and the best one, from their result.csv.

The best epoch is that of the highest accuracy (or, with --metric mAP, the highest mean average precision) of both
modalities, as the published program picks it.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.utils import DataError
from avmm.utils.cli import run_cli
from avmm.utils.tooling import print_lines, tool_parser

EXAMPLES = """
python projects/uavm/tools/result_table.py work_dirs/uavm_1xb144-10e_vggsound
python projects/uavm/tools/result_table.py work_dirs/uavm_*audioset* --metric mAP --out results.md
"""
#: Columns of result.csv by metric: audio, video, both.
COLUMNS = {'acc': (0, 3, 6), 'mAP': (1, 4, 7)}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('runs', nargs='+', type=Path, help='work directories')
    parser.add_argument('--metric', choices=list(COLUMNS), default='acc', help='default: acc')
    parser.add_argument('--out', type=Path, help='also write the table to this file')
    return parser.parse_args(argv)


def row_of(run: Path, metric: str) -> str:
    """One row of the table.

    Raises:
        DataError: If the run has no result.csv of ten columns, or no epoch in it.
    """
    path = run / 'result.csv'
    try:
        table = np.loadtxt(path, delimiter=',', ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: cannot be read ({error})') from None
    done = table[table.any(axis=1)]
    if table.shape[1] != 10 or not len(done):
        raise DataError(f'{path}: {len(done)} epochs in {table.shape[1]} columns, where a result has ten and an epoch')
    best = int(done[:, COLUMNS[metric][2]].argmax())
    cells = [run.name, str(len(done)), *(f'{100 * done[-1, c]:.2f}' for c in COLUMNS[metric]),
             *(f'{100 * done[best, c]:.2f}' for c in COLUMNS[metric]), str(best + 1)]
    return f'| {" | ".join(cells)} |'


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    head = ['run', 'epochs', *(f'{name}, last' for name in ('audio', 'video', 'both')),
            *(f'{name}, best' for name in ('audio', 'video', 'both')), 'best epoch']
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}', *(row_of(run, args.metric) for run in args.runs)]
    print(f'{args.metric}, %')
    print_lines(lines, args.out)


if __name__ == '__main__':
    run_cli(main)
