"""Figures 2 (a) to (e) of inverse-effectiveness fusion: what your runs gave, beside what was published.

The work directories tell by their names what they are, since tools/train.py names them after the configs of this
project. Anything else is given as NAME=DIR, with the name of the config that it stands for; DIR may also be a folder
of the official program with a summary.csv. Several runs of one config are averaged, and their deviation is drawn.
"""
from __future__ import annotations

import argparse
import csv
import re
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError, DataError
from avmm.utils.run_logs import RunLog, read_run
from avmm.utils.tooling import tool_parser

EXAMPLES = """
python projects/inverse_balance/tools/figures.py --figures a b c1 c2        # the published values alone
python projects/inverse_balance/tools/figures.py work_dirs/iemf_*
python projects/inverse_balance/tools/figures.py work_dirs/iemf_*_cremad* --figures a d --pick last
python projects/inverse_balance/tools/figures.py iemf_ann_mslr_inverse_1xb32-100e_kinetics_sounds=runs/first
"""
FIGURES = ('a', 'b', 'c1', 'c2', 'd', 'e')
#: Columns of the official program's summary.csv, by our names for them.
OFFICIAL = {'accuracy/joint': 'eval_top1', 'inverse/middle': 'eval_inverse_sc2'}
_NAME = re.compile(r'iemf_(?P<network>ann|snn)_(?P<method>normal|mslr|ogmge|lfm|audio|visual)'
                   r'(?:_(?P<variant>inverse|joint|scratch|finetune-vanilla|finetune-inverse))?'
                   r'(?:_gamma(?P<gamma>\d+(?:p\d+)?))?_\d+xb\d+-\d+e_'
                   r'(?P<data>cremad|kinetics_sounds|urbansound8k_av)')


@dataclass(frozen=True)
class Row:
    """What a config of the project trains; ``gamma`` is None outside of the sweep."""
    network: str
    method: str
    variant: str
    data: str
    gamma: float | None = None


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('runs', nargs='*', metavar='DIR|NAME=DIR', help='work directories')
    parser.add_argument('--figures', nargs='+', choices=FIGURES, default=FIGURES,
                        help='a: bars, ANN; b: bars, SNN; c1: gamma; c2: joint learning; d: finetuning; '
                        'e: coefficient and accuracy over the epochs (default: all)')
    parser.add_argument('--pick', choices=['best', 'last'], default='best',
                        help='epoch whose accuracy counts (default: best, as published)')
    parser.add_argument('--key', default='accuracy/joint', help='what to draw (default: accuracy/joint)')
    parser.add_argument('--xi-key', default='inverse/middle',
                        help='the coefficient in figure e (default: inverse/middle, of the middle test batch)')
    parser.add_argument('--out-dir', default='figures', help='folder of the pictures (default: figures)')
    parser.add_argument('--format', choices=['png', 'pdf', 'svg'], default='png', help='default: png')
    return parser.parse_args(argv)


def row_of(name: str) -> Row | None:
    """What the config, or work directory, called ``name`` trains; None if the name is none of the project's."""
    match = _NAME.search(name)
    if match is None:
        return None
    part = match.groupdict()
    gamma = part['gamma'] and float(part['gamma'].replace('p', '.'))
    return Row(part['network'], part['method'], part['variant'] or 'vanilla', part['data'], gamma)


def read_official(path: Path) -> RunLog:
    """The curves of a ``summary.csv``; its epochs, counted from 0 there, are counted from 1 as ours are.

    Raises:
        DataError: If it has not the columns of the official program.
    """
    with path.open(newline='', encoding='utf-8') as file:
        lines = list(csv.DictReader(file))
    if not lines or not {'epoch', 'eval_top1'} <= set(lines[0]):
        raise DataError(f'{path}: not a summary of the official program; it needs lines with epoch and eval_top1')
    try:
        curves = {ours: {int(line['epoch']) + 1: float(line[theirs]) for line in lines}
                  for ours, theirs in OFFICIAL.items() if theirs in lines[0]}
    except (TypeError, ValueError) as error:
        raise DataError(f'{path}: a line is not numbers: {error}') from error
    return RunLog(path.parent.name, curves)


def load_runs(arguments: list[str]) -> dict[Row, list[RunLog]]:
    """The logs of the named runs by what they train; those of other projects are passed over, with a line.

    Raises:
        ConfigError: If a given NAME is no config of the project.
    """
    runs = defaultdict(list)
    for argument in arguments:
        name, given, folder = argument.rpartition('=')
        row = row_of(name or Path(folder).resolve().name)
        if row is None and given:
            raise ConfigError(f'{argument}: {name} is not named like a config of this project, such as '
                              'iemf_ann_ogmge_inverse_1xb32-100e_kinetics_sounds')
        if row is None:
            print(f'{folder}: passed over, its name is not that of a config of this project', file=sys.stderr)
            continue
        summary = Path(folder) / 'summary.csv'
        runs[row].append(read_official(summary) if summary.is_file() else read_run(folder))
    return dict(runs)


def measured(runs: dict[Row, list[RunLog]], row: Row, key: str, pick: str) -> tuple[float, float, int] | None:
    """Mean, deviation and number of the values of ``row``; the deviation of one run is 0."""
    values = []
    for run in runs.get(row, ()):
        curve = run.curve(key)[1]
        values.append(max(curve) if pick == 'best' else curve[-1])
    if not values:
        return None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values)


def draw_all(args: argparse.Namespace, runs: dict[Row, list[RunLog]]) -> list[tuple[str, object]]:
    """``(name, figure)`` of every picture that there is something for."""
    from projects.inverse_balance.tools import figure_drawing as drawing
    from projects.inverse_balance.tools.published import DATASETS, METHODS, TABLE

    def look_up(*row) -> tuple[float, float, int] | None:
        return measured(runs, Row(*row), args.key, args.pick)

    pictures = []
    for letter, network in (('a', 'ann'), ('b', 'snn')):
        for data in DATASETS if letter in args.figures else ():
            values = {v: [look_up(network, m, v, data) for m in METHODS] for v in ('vanilla', 'inverse')}
            reference = {v: TABLE[network, data, v] for v in values}
            pictures.append((f'2{letter}_{data}', drawing.bars(data, network, reference, values)))
    if 'c1' in args.figures:
        sweep = {row.gamma: measured(runs, row, args.key, args.pick) for row in runs
                 if row.gamma is not None and row.data == 'kinetics_sounds'}
        # The main row has gamma 1.
        sweep.setdefault(1.0, look_up('ann', 'ogmge', 'inverse', 'kinetics_sounds'))
        sweep = {gamma: value for gamma, value in sweep.items() if value}
        pictures.append(('2c1', drawing.gamma_sweep(sweep, look_up('ann', 'ogmge', 'vanilla', 'kinetics_sounds'))))
    if 'c2' in args.figures:
        values = {v: [look_up('ann', m, v, 'kinetics_sounds') for m in METHODS]
                  for v in ('vanilla', 'joint', 'inverse')}
        reference = {v: TABLE['ann', 'kinetics_sounds', v] for v in values}
        pictures.append(('2c2', drawing.bars('kinetics_sounds', 'ann', reference, values)))
    if 'd' in args.figures:
        pictures += finetuning_pictures(args, runs, drawing)
    if 'e' in args.figures:
        pictures += coefficient_pictures(args, runs, drawing)
    return pictures


def finetuning_pictures(args: argparse.Namespace, runs: dict[Row, list[RunLog]], drawing) -> list[tuple[str, object]]:
    """Figure 2 (d), one picture a data set and modality."""
    pictures = []
    for data, modality in sorted({(row.data, row.method) for row in runs if row.method in ('audio', 'visual')}):
        curves = {variant: [run.curve(args.key) for row, logs in runs.items() for run in logs
                            if (row.data, row.method, row.variant) == (data, modality, variant)]
                  for variant in ('scratch', 'finetune-vanilla', 'finetune-inverse')}
        pictures.append((f'2d_{data}_{modality}', drawing.finetuning(data, modality, curves)))
    if not pictures:
        print('figure d: none of the runs is one of a single modality; its curves were published as a picture only')
    return pictures


def coefficient_pictures(args: argparse.Namespace, runs: dict[Row, list[RunLog]], drawing) -> list[tuple[str, object]]:
    """Figure 2 (e), one picture a run that logged the coefficient."""
    pictures, taken = [], set()
    for row, logs in runs.items():
        for run in logs:
            if row.variant != 'inverse' or row.gamma is not None or args.xi_key not in run.curves:
                continue
            number = sum(name.startswith(run.name) for name in taken) + 1
            name = run.name if number == 1 else f'{run.name}_{number}'
            taken.add(name)
            figure = drawing.coefficient(run.curve(args.key), run.curve(args.xi_key), row.data, row.method)
            pictures.append((f'2e_{name}', figure))
    if not pictures:
        print(f'figure e: none of the runs with inverse effectiveness logged {args.xi_key} (the metric '
              'InverseCoefficient does); its curves were published as a picture only')
    return pictures


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    runs = load_runs(args.runs)
    from avmm.visualization.style import save_figure
    for name, figure in draw_all(args, runs):
        print(f'picture: {save_figure(figure, Path(args.out_dir) / f"figure_{name}.{args.format}")}')


if __name__ == '__main__':
    run_cli(main)
