"""Figure 2: accuracy against the shared width, the number of shared blocks, or the probability of audio.

Reads the result.csv of work directories, whose columns 0, 3 and 6 are the accuracies of audio, video and both. Writes
performance_<what>.csv and figure_2_<what>.<format>. No epoch is selected: one row counts, the last by default.
"""
from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError, DataError

EXAMPLES = """
python projects/uavm/tools/performance.py work_dirs/uavm_s*_r* work_dirs/cross_s*_r* --versus width --repeats 3
python projects/uavm/tools/performance.py work_dirs/uavm_ns*_r* --versus shared_depth
python projects/uavm/tools/performance.py work_dirs/uavm_p*_r* --versus audio_prob --epoch 25
"""
LABELS = {'width': 'S', 'shared_depth': 'shared blocks $N_s$', 'audio_prob': 'probability of audio'}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    from projects.uavm.uavm.analysis.command_line import figure_parser
    parser = figure_parser(__doc__, EXAMPLES, 'figures/uavm')
    parser.add_argument('--versus', choices=sorted(LABELS), default='width', help='what x is (default: width)')
    parser.add_argument('--epoch', type=int, help='epoch that counts, from 1 (default: the last)')
    args = parser.parse_args(argv)
    if not args.runs:
        raise ConfigError('name the work directories of at least one run')
    return args


def read_result(folder: Path, epoch: int | None) -> tuple[float, float, float]:
    """Accuracy of audio, video and both in one epoch, shares.

    Raises:
        DataError: If the file or the epoch is missing.
    """
    path = folder / 'result.csv'
    try:
        table = np.loadtxt(path, delimiter=',', ndmin=2)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f'{path}: {"is missing" if isinstance(error, FileNotFoundError) else error}') from None
    if table.shape[1] < 7:
        raise DataError(f'{path}: has {table.shape[1]} columns, at least 7 are needed')
    # Epochs to come are rows of zeros.
    done = np.flatnonzero(table.any(1))
    row = (done[-1] if len(done) else -1) if epoch is None else epoch - 1
    if row not in done:
        raise DataError(f'{path}: has {len(done)} epochs, epoch {epoch or 1} is asked for')
    return tuple(float(value) for value in table[row, [0, 3, 6]])


def audio_prob(cfg) -> float:
    """The probability with which a batch is of audio."""
    found = [hook['prob'] for hook in cfg.get('custom_hooks', ())
             if hook['type'] == 'ModalityDrawHook' and 'prob' in hook]
    return float(found[0]) if found else 0.5


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from avmm.visualization.style import save_figure
    from projects.uavm.uavm.analysis import drawing
    from projects.uavm.uavm.analysis.command_line import write_table
    from projects.uavm.uavm.analysis.runs import TYPES, find_config
    lines: dict[str, dict] = defaultdict(lambda: defaultdict(list))
    rows = []
    for argument in args.runs:
        run = find_config(argument)
        # A sweep over the number of shared blocks may well end with none.
        name = run.setting.kind if args.versus != 'shared_depth' else TYPES[run.setting.type]
        x = {'width': run.setting.shared_channels, 'shared_depth': run.setting.shared_depth,
             'audio_prob': audio_prob(run.cfg)}[args.versus]
        values = read_result(Path(argument), args.epoch)
        lines[name][x].append(values)
        rows.append([run.name, name, x, *values])
    for name, line in lines.items():
        for x, found in line.items():
            if args.repeats is not None and len(found) != args.repeats:
                raise DataError(f'{len(found)} of {args.repeats} repeats of {name} with {args.versus} {x:g}')
    out = Path(args.out_dir)
    header = ['run', 'model', args.versus, 'audio', 'visual', 'both']
    print(f'table: {write_table(out / f"performance_{args.versus}.csv", header, rows)}')
    reference = {'width': 1024, 'shared_depth': 3, 'audio_prob': 0.5}[args.versus]
    figure = drawing.performance_figure(lines, LABELS[args.versus], args.versus == 'width', reference)
    print(f'picture: {save_figure(figure, out / f"figure_2_{args.versus}.{args.format}")}')


if __name__ == '__main__':
    run_cli(main)
