"""How a checkpoint fares as noise drowns one modality: every metric of the config, by signal-to-noise ratio.

The noise is that of BatchNoise as the last of the data preprocessor's eval_augments: white, its power that of the
whole batch's input, as the model takes it, over 10 ** (SNR / 10). One pass over the data serves all ratios.
"""
from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import (
    SPLITS,
    add_config_args,
    add_device_args,
    build_loader,
    check_out,
    config_from,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/noise_sweep.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_8.pth
python tools/analysis_tools/noise_sweep.py CONFIG CHECKPOINT --modality visual --snr 20 10 0 -10 --repeats 3
python tools/analysis_tools/noise_sweep.py CONFIG CHECKPOINT --csv second.csv --with noise_sweep.csv
"""
#: ``(disturbed modality or '', SNR in dB or None, number of the draw)``.
Point = tuple[str, float | None, int]
_HEADER = ['run', 'modality', 'snr', 'key', 'mean', 'deviation', 'draws']


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'required')
    parser.add_argument('--modality', nargs='+', help='modalities to disturb, one at a time (default: each)')
    parser.add_argument('--snr', type=float, nargs='+', default=[20.0, 15.0, 10.0, 5.0, 0.0, -5.0, -10.0],
                        metavar='DB', help='signal-to-noise ratios in dB (default: 20 15 10 5 0 -5 -10)')
    parser.add_argument('--repeats', type=int, default=1, help='draws of the noise for each ratio (default: 1)')
    parser.add_argument('--keys', nargs='+', help='metrics to draw (default: every accuracy without top-k, else all)')
    parser.add_argument('--split', default='test', help='split to evaluate (default: test)')
    parser.add_argument('--batch-size', type=int, help="default: the config's; the power of the noise is that of a "
                        'batch')
    add_device_args(parser)
    parser.add_argument('--name', help="name of the run in table and picture (default: the checkpoint's folder)")
    parser.add_argument('--csv', default='noise_sweep.csv', help='table (default: noise_sweep.csv)')
    parser.add_argument('--with', nargs='+', default=[], dest='others', metavar='CSV',
                        help='tables of earlier sweeps to draw beside this one')
    parser.add_argument('--out', default='noise_sweep.png', help='picture: png, pdf or svg (default: noise_sweep.png)')
    return parser.parse_args(argv)


def points_of(modalities: list[str], snrs: list[float], repeats: int) -> list[Point]:
    """The undisturbed input, then every modality at every ratio and draw."""
    return [('', None, 0)] + [(m, snr, draw) for m in modalities for snr in snrs for draw in range(repeats)]


def build_evaluators(cfg, split: str, dataset, count: int) -> list:
    """As many evaluators with the split's metrics as there are points."""
    from mmengine.evaluator import Evaluator

    from avmm.registry import METRICS
    spec = cfg.get(f'{split}_evaluator') or cfg.get('test_evaluator') or cfg.get('val_evaluator')
    if not spec:
        raise ConfigError(f'the config has no {split}_evaluator, so there is nothing to measure')
    specs = [item for item in (spec if isinstance(spec, (list, tuple)) else [spec])
             if item['type'] != 'PredictionDump']
    evaluators = [Evaluator([METRICS.build(dict(item)) for item in specs]) for _ in range(count)]
    for evaluator in evaluators:
        evaluator.dataset_meta = getattr(dataset, 'metainfo', None)
    return evaluators


def sweep(model, loader, points: list[Point], evaluators: list, seed: int) -> list[dict[str, float]]:
    """The metrics of every point."""
    import copy

    import torch

    from avmm.models.data_preprocessors.batch_noise import BatchNoise
    count = 0
    with torch.no_grad():
        for number, batch in enumerate(track(loader, 'evaluating')):
            data = model.data_preprocessor(batch, False)
            count += len(data['data_samples'])
            for (modality, snr, draw), evaluator in zip(points, evaluators, strict=True):
                # A prediction writes into its samples.
                inputs, samples = data['inputs'], copy.deepcopy(data['data_samples'])
                if modality:
                    # One pattern for every ratio, so that rows differ by its strength alone.
                    torch.manual_seed((seed * 1_000_003 + number) * 1009 + draw)
                    inputs, samples = BatchNoise(snr, modality)(_as_floats(inputs, modality), samples)
                outputs = model(inputs, samples, mode='predict')
                evaluator.process(data_samples=outputs, data_batch=dict(batch, data_samples=samples))
    return [evaluator.evaluate(count) for evaluator in evaluators]


def _as_floats(inputs: dict, modality: str) -> dict:
    """The inputs with the modality in full precision, in which powers do not overflow.

    Raises:
        ConfigError: If it is of whole numbers, to which noise cannot be added.
    """
    import torch
    value = inputs.get(modality)
    if value is None:
        return inputs
    if not all(part.is_floating_point() for part in (value if isinstance(value, list) else [value])):
        raise ConfigError(f'--modality {modality}: the model takes it as whole numbers, to which noise cannot be '
                          'added; let the data preprocessor normalise it')
    floats = [part.float() for part in value] if isinstance(value, list) else value.to(torch.float32)
    return dict(inputs, **{modality: floats})


def summarise(name: str, points: list[Point], metrics: list[dict[str, float]]) -> list[list]:
    """Lines of the table: mean and deviation over the draws of each modality, ratio and metric."""
    import statistics
    rows: dict[tuple, list[float]] = {}
    for (modality, snr, _), values in zip(points, metrics, strict=True):
        for key, value in values.items():
            if isinstance(value, (int, float)):
                rows.setdefault((modality or 'none', '' if snr is None else f'{snr:g}', key), []).append(float(value))
    return [[name, *row, statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values)]
            for row, values in rows.items()]


def read_table(path: str) -> list[list]:
    """The lines of an earlier sweep.

    Raises:
        ConfigError: If the file is none.
    """
    with open(path, newline='', encoding='utf-8') as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if header != _HEADER:
        raise ConfigError(f'{path}: not a table of noise_sweep.py; its first line must be {",".join(_HEADER)}')
    return [[*line[:4], float(line[4]), float(line[5]), int(line[6])] for line in lines]


def draw(tables: list[list[list]], keys: list[str], modalities: list[str]):
    """A panel for each disturbed modality, a line for each run and metric; dashes show the undisturbed input."""
    from avmm.visualization.style import colour_of, new_figure, tidy
    figure, axes = new_figure(1, len(modalities), size=(4.8, 3.7), sharey=True)
    for axis, modality in zip(axes[0], modalities, strict=True):
        for number, table in enumerate(tables):
            for place, key in enumerate(keys):
                rows = sorted((float(row[2]), row[4], row[5]) for row in table if row[1] == modality and row[3] == key)
                clean = [row[4] for row in table if row[1] == 'none' and row[3] == key]
                if not rows:
                    continue
                x, y, deviation = zip(*rows, strict=True)
                style = dict(color=colour_of(key.rpartition('/')[2], place),
                             linestyle=('-', '--', ':', '-.')[number % 4])
                label = key if len(tables) == 1 else f'{table[0][0]}: {key}'
                axis.errorbar(x, y, deviation if any(deviation) else None, marker='o', markersize=3.5, linewidth=1.6,
                              capsize=2, label=label if axis is axes[0][0] else None, **style)
                if clean and len(tables) == 1:
                    axis.axhline(clean[0], linewidth=0.9, color=style['color'], linestyle=(0, (4, 4)), alpha=0.6,
                                 label=f'{key}, no noise' if axis is axes[0][0] else None)
        axis.set_title(f'noise on {modality}', fontsize=10)
        axis.set_xlabel('signal-to-noise ratio (dB)', fontsize=9)
        tidy(axis)
    axes[0][0].set_ylabel('accuracy (%)' if all('accuracy/' in key for key in keys) else 'metric', fontsize=9)
    figure.legend(loc='outside lower center', ncols=3, fontsize=8, frameon=False)
    return figure


def show(rows: list[list], keys: list[str]) -> None:
    """Print the table, a line for each modality and ratio."""
    wide = max(16, *(len(key) + 2 for key in keys))
    print(f'{"noise on":<10}{"SNR (dB)":>9}' + ''.join(f'{key:>{wide}}' for key in keys))
    for modality, snr in dict.fromkeys((row[1], row[2]) for row in rows):
        values = {row[3]: row for row in rows if (row[1], row[2]) == (modality, snr)}
        cells = [f'{values[key][4]:.2f}' + (f' ± {values[key][5]:.2f}' if values[key][6] > 1 else '')
                 if key in values else '' for key in keys]
        print(f'{modality:<10}{snr or "-":>9}' + ''.join(f'{cell:>{wide}}' for cell in cells))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.repeats < 1:
        raise ConfigError(f'--repeats {args.repeats}: must be 1 or more')
    if args.split not in SPLITS:
        raise ConfigError(f'--split {args.split}: use one of {", ".join(SPLITS)}')
    table, picture = check_out(args.csv, ('.csv', )), check_out(args.out, ('.png', '.pdf', '.svg'))
    others = [read_table(path) for path in args.others]
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    modalities = args.modality or list(model.modalities)
    unknown = sorted(set(modalities) - set(model.modalities))
    if unknown:
        raise ConfigError(f'--modality {" ".join(unknown)}: the model has {", ".join(model.modalities)}')
    loader = build_loader(cfg, args.split, args.seed, batch_size=args.batch_size)
    points = points_of(modalities, args.snr, args.repeats)
    evaluators = build_evaluators(cfg, args.split, loader.dataset, len(points))
    name = args.name or Path(args.checkpoint).resolve().parent.name
    rows = summarise(name, points, sweep(model, loader, points, evaluators, args.seed))
    known = list(dict.fromkeys(row[3] for row in rows))
    keys = args.keys or [k for k in known if k.startswith('accuracy/') and '_top' not in k] or known
    absent = sorted(set(keys) - set(known))
    if absent:
        raise ConfigError(f'--keys {" ".join(absent)}: the metrics are {", ".join(known)}')
    show(rows, keys)
    from avmm.engine.checkpoint import write_atomically
    from avmm.visualization.style import save_figure
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([_HEADER, *rows])
    with write_atomically(table) as file:
        file.write(text.getvalue().encode())
    print(f'table: {table}\npicture: {save_figure(draw([rows, *others], keys, modalities), picture)}')


if __name__ == '__main__':
    run_cli(main)
