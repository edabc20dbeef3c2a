"""Curves and tables from the logs of one or many runs."""
from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.run_logs import RunLog, read_run
from avmm.utils.tooling import check_out, tool_parser

EXAMPLES = """
python tools/analysis_tools/analyze_logs.py plot work_dirs/av_digits --keys accuracy/joint accuracy/audio
python tools/analysis_tools/analyze_logs.py plot work_dirs/av_digits work_dirs/av_digits_ogmge --legend Normal OGM-GE
python tools/analysis_tools/analyze_logs.py table work_dirs/* --keys accuracy/joint loss --csv runs.csv
"""
#: Keys for which a smaller value is the better one.
LOWER_IS_BETTER = ('loss', 'time', 'error')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    commands = parser.add_subparsers(dest='command', required=True)
    plot = commands.add_parser('plot', help='curves of each key, one panel a key, one line a run')
    table = commands.add_parser('table', help='last and best value of each key, and the seconds of an iteration')
    for command in (plot, table):
        command.add_argument('runs', nargs='+', help='work directories, or scalars.json files')
        command.add_argument('--keys', nargs='+', help='what to show (default: every accuracy, else the loss)')
        command.add_argument('--legend', nargs='+', help='names of the runs, in their order')
        command.add_argument('--csv', help='also write the numbers to this file')
    plot.add_argument('--out', default='curves.png', help='picture: png, pdf or svg (default: curves.png)')
    plot.add_argument('--together', action='store_true', help='all keys in one panel')
    plot.add_argument('--smooth', type=float, default=0.0, metavar='S',
                      help='exponential smoothing, 0 (none, the default) to below 1')
    plot.add_argument('--title', default='')
    return parser.parse_args(argv)


def load_runs(args: argparse.Namespace) -> list[RunLog]:
    """The runs that the command line names, each under a name of its own."""
    if args.legend and len(args.legend) != len(args.runs):
        raise ConfigError(f'--legend has {len(args.legend)} names for {len(args.runs)} runs')
    runs = [read_run(run, name) for run, name in zip(args.runs, args.legend or [None] * len(args.runs), strict=True)]
    names = [run.name for run in runs]
    for i, run in enumerate(runs):
        if names.count(run.name) > 1:
            run.name = f'{run.name} ({names[:i + 1].count(names[i])})'
    return runs


def default_keys(runs: list[RunLog]) -> list[str]:
    """Every accuracy that some run logged; the losses where there is none."""
    known = sorted({key for run in runs for key in run.curves})
    return [key for key in known if key.startswith('accuracy/')] or [key for key in known if 'loss' in key] or known


def smoothed(values: list[float], amount: float) -> list[float]:
    """Exponential moving average whose start is not drawn towards zero."""
    if not 0 <= amount < 1:
        raise ConfigError(f'--smooth {amount}: must be at least 0 and below 1')
    out, mean = [], 0.0
    for i, value in enumerate(values, 1):
        mean = amount * mean + (1 - amount) * value
        out.append(mean / (1 - amount ** i))
    return out


def draw(runs: list[RunLog], keys: list[str], args: argparse.Namespace) -> None:
    from avmm.visualization.plots import draw_curves
    from avmm.visualization.style import new_figure, save_figure
    curves = {key: {run.name: (run.curve(key)[0], smoothed(run.curve(key)[1], args.smooth)) for run in runs}
              for key in keys}
    if args.together:
        curves = {'': {f'{run}: {key}': xy for key, lines in curves.items() for run, xy in lines.items()}}
    figure, axes = new_figure(1, len(curves))
    for axis, (key, lines) in zip(axes[0], curves.items(), strict=True):
        draw_curves(axis, lines, key, 'step')
    figure.suptitle(args.title)
    save_figure(figure, args.out)


def write_csv(path: str, header: list[str], rows: list[list]) -> None:
    with check_out(path, ('.csv', )).open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    print(f'numbers: {path}')


def plot(args: argparse.Namespace) -> None:
    runs = load_runs(args)
    keys = args.keys or default_keys(runs)
    args.out = check_out(args.out, ('.png', '.pdf', '.svg'))
    draw(runs, keys, args)
    print(f'curves: {args.out}')
    if args.csv:
        rows = [[run.name, key, step, value] for run in runs for key in keys
                for step, value in zip(*run.curve(key), strict=True)]
        write_csv(args.csv, ['run', 'key', 'step', 'value'], rows)


def summarise(run: RunLog, key: str) -> list:
    """``[run, key, last, best, step of the best]``; values that are not finite are never the best."""
    steps, values = run.curve(key)
    sign = -1 if any(word in key for word in LOWER_IS_BETTER) else 1
    best = max(range(len(values)), key=lambda i: sign * values[i] if math.isfinite(values[i]) else -math.inf)
    return [run.name, key, values[-1], values[best], steps[best]]


def table(args: argparse.Namespace) -> None:
    runs = load_runs(args)
    keys = args.keys or default_keys(runs)
    rows = [summarise(run, key) for run in runs for key in keys]
    rows += [summarise(run, 'time') for run in runs if 'time' in run.curves and 'time' not in keys]
    wide = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    print(f'{"run":<{wide[0]}}  {"key":<{wide[1]}}  {"last":>10}  {"best":>10}  {"at step":>8}')
    for name, key, last, best, step in rows:
        print(f'{name:<{wide[0]}}  {key:<{wide[1]}}  {last:>10.4g}  {best:>10.4g}  {step:>8}')
    if args.csv:
        write_csv(args.csv, ['run', 'key', 'last', 'best', 'best_step'], rows)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    {'plot': plot, 'table': table}[args.command](args)


if __name__ == '__main__':
    run_cli(main)
