"""Which classes are taken for which: from a file of predictions, or from a config and a checkpoint."""
from __future__ import annotations

import argparse
import csv
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError, DataError
from avmm.utils.tooling import (
    add_config_args,
    add_device_args,
    build_loader,
    check_out,
    config_from,
    pick_device,
    predict,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/confusion_matrix.py predictions.npz --out joint.png
python tools/analysis_tools/confusion_matrix.py CONFIG CHECKPOINT --of audio --normalize true --csv audio.csv
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'optional', 'config file, or the .npz that tools/test.py --out wrote')
    parser.add_argument('--of', default='joint', metavar='NAME', help='joint (default) or the name of a modality')
    parser.add_argument('--split', default='test', help='split to predict (default: test)')
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help="names of the classes (default: the data set's, or numbers)")
    parser.add_argument('--normalize', choices=['none', 'true', 'pred'], default='none',
                        help='counts (default), shares of each true class, or shares of each predicted class')
    parser.add_argument('--out', default='confusion_matrix.png',
                        help='picture: png, pdf or svg (default: confusion_matrix.png)')
    parser.add_argument('--csv', help='also write the matrix to this file')
    add_device_args(parser)
    return parser.parse_args(argv)


def read_predictions(path: str) -> dict[str, np.ndarray]:
    """The arrays of a predictions file."""
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = 'no such file' if not Path(path).is_file() else 'not a readable .npz file'
        raise DataError(f'{path}: {reason}') from error
    if 'pred_score' not in arrays:
        raise DataError(f'{path}: holds no pred_score; write it with tools/test.py --out')
    return arrays


def predictions_of(args: argparse.Namespace) -> tuple[dict[str, np.ndarray], list[str]]:
    """Predictions, and the names of the classes as far as they are known."""
    if args.config.endswith('.npz'):
        return read_predictions(args.config), []
    if not args.checkpoint:
        raise ConfigError('name a checkpoint after the config, or the .npz of tools/test.py --out alone')
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    loader = build_loader(cfg, args.split, args.seed)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    return predict(model, loader), list((getattr(loader.dataset, 'metainfo', None) or {}).get('classes') or ())


def matrix_of(predictions: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Counts ``(C, C)``, the true class in the row."""
    from avmm.evaluation.functional import confusion_matrix
    key = 'pred_score' if name == 'joint' else f'score_{name}'
    if key not in predictions:
        there = ['joint'] + [k.removeprefix('score_') for k in sorted(predictions) if k.startswith('score_')]
        raise ConfigError(f'--of {name}: the predictions have {", ".join(there)}')
    if 'gt_label' not in predictions:
        raise ConfigError('the samples have several labels each; a confusion matrix needs one label a sample')
    return confusion_matrix(predictions[key], predictions['gt_label'])


def normalized(matrix: np.ndarray, how: str) -> np.ndarray:
    """Shares of the rows (``'true'``) or of the columns (``'pred'``); an empty one stays 0."""
    if how == 'none':
        return matrix
    return matrix / np.maximum(matrix.sum(1 if how == 'true' else 0, keepdims=True), 1)


def draw(matrix: np.ndarray, classes: list[str], args: argparse.Namespace, out: Path) -> None:
    from avmm.visualization.plots import draw_confusion_matrix
    from avmm.visualization.style import new_figure, save_figure
    side = float(np.clip(0.35 * len(matrix) + 2, 4, 24))
    figure, axes = new_figure(size=(side + 1, side))
    shown = matrix if args.normalize != 'pred' else normalized(matrix, 'pred').round(2)
    draw_confusion_matrix(axes[0][0], shown, classes, args.of, normalise=args.normalize == 'true')
    save_figure(figure, out)


def report_confusions(matrix: np.ndarray, classes: list[str]) -> None:
    """Print the accuracy and the most frequent confusions."""
    total = int(matrix.sum())
    print(f'accuracy {100 * np.trace(matrix) / max(total, 1):.2f} % of {total} samples')
    wrong = matrix - np.diag(np.diag(matrix))
    for place in np.argsort(-wrong, axis=None, kind='stable')[:5]:
        row, column = divmod(int(place), len(matrix))
        if wrong[row, column]:
            print(f'  {classes[row]} taken for {classes[column]}: {wrong[row, column]} times')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = check_out(args.out, ('.png', '.pdf', '.svg'))
    predictions, known = predictions_of(args)
    matrix = matrix_of(predictions, args.of)
    classes = args.classes or known or [str(i) for i in range(len(matrix))]
    if len(classes) != len(matrix):
        raise ConfigError(f'--classes has {len(classes)} names, the predictions have {len(matrix)} classes')
    report_confusions(matrix, classes)
    draw(matrix, classes, args, out)
    print(f'picture: {out}')
    if args.csv:
        with check_out(args.csv, ('.csv', )).open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['true \\ predicted', *classes])
            rows = normalized(matrix, args.normalize).tolist()
            writer.writerows([name, *row] for name, row in zip(classes, rows, strict=True))
        print(f'matrix: {args.csv}')


if __name__ == '__main__':
    run_cli(main)
