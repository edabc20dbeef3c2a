"""Pictures of what each second of one modality gathers from both, and of the windows that DCMR finds."""
from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, add_device_args, build_loader, config_from, pick_device, tool_parser

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avmm.structures import AVDataSample

EXAMPLES = """
python projects/dmin/tools/attention_matrices.py CONFIG CHECKPOINT --num 8
python projects/dmin/tools/attention_matrices.py CONFIG CHECKPOINT --split val --out matrices
"""
OTHER = dict(audio='visual', visual='audio')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'required')
    parser.add_argument('--split', default='test', help='split to draw (default: test)')
    parser.add_argument('--num', type=int, default=8, help='videos to draw (default: 8)')
    add_device_args(parser)
    parser.add_argument('--out', help='folder of the pictures (default: attention/<config>_<split>)')
    args = parser.parse_args(argv)
    if args.num < 1:
        raise ConfigError(f'--num {args.num}: must be at least 1')
    return args


def draw_matrix(axis: Axes, weights: np.ndarray, modality: str) -> None:
    """Weights ``(S, 2S)`` of each segment (row) for those of the other modality and, behind the line, its own."""
    size = len(weights)
    axis.imshow(weights, cmap='viridis', vmin=0, aspect='equal')
    axis.axvline(size - 0.5, color='white', linewidth=1)
    axis.set_xticks([size / 2 - 0.5, 1.5 * size - 0.5], [OTHER[modality], modality])
    axis.set_yticks([0, size - 1], ['1', str(size)])
    axis.set_ylabel(f'{modality} segment')
    axis.tick_params(length=0)


def draw_window(axis: Axes, logits: np.ndarray, mask: np.ndarray) -> None:
    """Logits of the segments ``(S,)``, with the true window and the one that is found."""
    from avmm.evaluation.functional import localize_by_logits
    found = localize_by_logits(logits[None], mask[None])
    axis.bar(np.arange(len(logits)), logits, color='0.6')
    for start, colour, name, style in ((found.start[0], 'tab:green', 'event', '-'),
                                       (found.found[0], 'tab:red', 'found', '--')):
        axis.axvspan(start - 0.5, start + found.length[0] - 0.5, fill=False, edgecolor=colour, linestyle=style,
                     linewidth=2, label=name)
    axis.set_xticks([0, len(logits) - 1], ['1', str(len(logits))])
    axis.set_xlabel('segment')
    axis.set_ylabel('logit')
    axis.legend(loc='upper right', fontsize='small')


def picture(sample: AVDataSample) -> Figure:
    """Matrices of both decoders, and the window where there is one.

    Raises:
        ConfigError: If the model has no such attention.
    """
    from avmm.visualization.style import new_figure
    maps = sample.get('attention') or {}
    found = [m for m in OTHER if f'{m}_decoder' in maps]
    if not found:
        raise ConfigError('the model has no attention between the modalities; take one of DIMN, DCMR or CMRAN')
    searched = 'pred_event_logits' in sample
    figure, (axes, ) = new_figure(1, len(found) + searched, size=(5.2, 3.2))
    for axis, modality in zip(axes, found, strict=False):
        draw_matrix(axis, maps[f'{modality}_decoder'].float().cpu().numpy(), modality)
    if searched:
        draw_window(axes[-1], sample.pred_event_logits.float().cpu().numpy(), np.asarray(sample.gt_mask))
    figure.suptitle(str(sample.get('sample_id')))
    return figure


def predictions(model, loader) -> Iterator[AVDataSample]:
    """Samples of the loader with their predictions."""
    import torch
    for batch in loader:
        with torch.no_grad():
            yield from model.test_step(batch)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    loader = build_loader(cfg, args.split, args.seed)
    from avmm.apis import init_model
    from avmm.visualization.style import save_figure
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    model.with_attention = True
    out = Path(args.out or Path('attention') / f'{Path(args.config).stem}_{args.split}')
    samples = list(islice(predictions(model, loader), args.num))
    for sample in track(samples, 'drawing'):
        save_figure(picture(sample), out / f'{re.sub(r"[^-.0-9A-Za-z_]", "_", str(sample.get("sample_id")))}.png')
    print(f'{len(samples)} pictures: {out}')


if __name__ == '__main__':
    run_cli(main)
