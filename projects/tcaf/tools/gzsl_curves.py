"""Draw what GZSLMetric(out_file=...) wrote: the harmonic mean against the calibration, and the recall of every class.

A trained model writes the file when it is tested; a training, after each validation (val_evaluator.out_file):

  python tools/test.py CONFIG CHECKPOINT --cfg-options test_evaluator.out_file=work_dirs/curves.json
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import tool_parser
from avmm.visualization.style import new_figure, save_figure
from projects.tcaf.tcaf.pictures import draw_calibration, draw_recalls, read_curves

EXAMPLES = """
python projects/tcaf/tools/gzsl_curves.py work_dirs/curves.json
python projects/tcaf/tools/gzsl_curves.py work_dirs/curves.json --mode both --out pictures --format pdf
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('curves', help='file of curves')
    parser.add_argument('--mode', nargs='+', help='modes to draw, such as both or audio (default: all)')
    parser.add_argument('--title', default='', help='what to write above (default: the name of the file)')
    parser.add_argument('--out', help='folder of the pictures (default: that of the file)')
    parser.add_argument('--format', choices=['png', 'svg', 'pdf'], default='png', help='(default: png)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw <name>_calibration and <name>_recalls."""
    args = parse_args(argv)
    content = read_curves(args.curves)
    modes = content['modes']
    unknown = [mode for mode in args.mode or () if mode not in modes]
    if unknown:
        raise ConfigError(f'--mode {unknown[0]}: {args.curves} has {", ".join(modes)}')
    chosen = args.mode or list(modes)
    source = Path(args.curves)
    out, title = Path(args.out or source.parent), args.title or source.stem
    titles = {mode: f'{title}: {mode}' if len(modes) > 1 else title for mode in chosen}

    figure, axes = new_figure(1, len(chosen))
    for axis, mode in zip(axes[0], chosen, strict=True):
        draw_calibration(axis, modes[mode], titles[mode])
    pictures = [save_figure(figure, out / f'{source.stem}_calibration.{args.format}')]

    figure, axes = new_figure(len(chosen), 1, (max(6.0, 0.16 * len(content['classes'])), 3.6))
    for row, mode in zip(axes, chosen, strict=True):
        draw_recalls(row[0], modes[mode], content['classes'], titles[mode])
    pictures.append(save_figure(figure, out / f'{source.stem}_recalls.{args.format}'))
    for picture in pictures:
        print(picture)


if __name__ == '__main__':
    run_cli(main)
