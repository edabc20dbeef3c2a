"""The loss around a checkpoint along one or two random directions, filter-normalised by default.

The samples are a fixed part of a split, read once. The numbers go to an HDF5 file as they come; the same command
continues a file that was left incomplete, and only draws one that is complete.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import CheckpointError, ConfigError
from avmm.utils.tooling import (
    add_config_args,
    add_device_args,
    build_dataset,
    build_loader,
    check_out,
    config_from,
    loader_config,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/loss_landscape.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_8.pth
python tools/analysis_tools/loss_landscape.py CONFIG CHECKPOINT --x -1 1 25 --y -1 1 25 --out surface.h5
python tools/analysis_tools/loss_landscape.py CONFIG CHECKPOINT --norm layer --kind states --split test --samples 1000
"""
# Seconds between two writes of the file.
_EVERY = 5.0


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'required')
    axis = dict(type=float, nargs=3, metavar=('FROM', 'TO', 'POINTS'))
    parser.add_argument('--x', default=[-1.0, 1.0, 51.0], help='steps along the first direction (default: -1 1 51)',
                        **axis)
    parser.add_argument('--y', help='steps along a second direction (default: none, a line)', **axis)
    parser.add_argument('--norm', choices=['filter', 'layer', 'weight', 'dfilter', 'dlayer', 'none'],
                        default='filter', help='how directions are scaled: like each filter (default), like each '
                        'layer, by each weight, or to length 1 a filter or layer')
    parser.add_argument('--kind', choices=['weights', 'states'], default='weights',
                        help='move the parameters (default), or also the running statistics')
    parser.add_argument('--with-small', action='store_true',
                        help='move biases and normalisations too; they stay by default')
    parser.add_argument('--split', default='train', help='split of the samples (default: train)')
    parser.add_argument('--samples', type=int, default=256, help='number of samples (default: 256); they are kept on '
                        'the device')
    parser.add_argument('--batch-size', type=int, help="default: the config's")
    add_device_args(parser)
    parser.add_argument('--out', default='loss_landscape.h5', help='file of the numbers; pictures get its name '
                        '(default: loss_landscape.h5)')
    parser.add_argument('--overwrite', action='store_true', help='do not continue the file, begin anew')
    parser.add_argument('--vmax', type=float, help='largest loss to show (default: all)')
    parser.add_argument('--levels', type=int, default=24, help='number of contour lines (default: 24)')
    return parser.parse_args(argv)


def steps(name: str, values: list[float] | None):
    """The steps along a direction.

    Raises:
        ConfigError: If there are fewer than two, or they do not rise.
    """
    import numpy as np
    if values is None:
        return None
    low, high, count = values
    if count != int(count) or count < 2 or low >= high:
        raise ConfigError(f'--{name} {low:g} {high:g} {count:g}: give FROM below TO, and 2 POINTS or more')
    return np.linspace(low, high, int(count))


def new_surface(args: argparse.Namespace):
    """The surface that the command line describes, with what its file holds of it."""
    from avmm.evaluation.loss_landscape import Surface
    checkpoint = Path(args.checkpoint)
    if not checkpoint.is_file():
        raise CheckpointError(f'{checkpoint}: no such checkpoint')
    if args.samples < 1:
        raise ConfigError(f'--samples {args.samples}: must be 1 or more')
    settings = dict(checkpoint=hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16], config=Path(args.config).name,
                    cfg_options=json.dumps(args.cfg_options, sort_keys=True, default=str), split=args.split,
                    samples=args.samples, seed=args.seed, norm=args.norm, kind=args.kind, with_small=args.with_small)
    surface = Surface(steps('x', args.x), steps('y', args.y), settings)
    if args.out.exists() and not args.overwrite:
        surface.resume(args.out)
    return surface


def fixed_batches(model, cfg, args: argparse.Namespace) -> list[dict]:
    """A random part of the split, the same for every point: batches as the model takes them, on its device."""
    import numpy as np
    from torch.utils.data import Subset
    dataset = build_dataset(cfg, args.split)
    chosen = np.random.default_rng(args.seed).permutation(len(dataset))[:args.samples]
    loader = loader_config(cfg, args.split)
    loader.update(sampler=dict(type='DefaultSampler', shuffle=False), drop_last=False)
    cfg[f'{args.split}_dataloader'] = loader
    loader = build_loader(cfg, args.split, args.seed, dataset=Subset(dataset, sorted(chosen.tolist())),
                          batch_size=args.batch_size)
    return [model.data_preprocessor(batch, False) for batch in track(loader, 'reading samples')]


def measure(surface, args: argparse.Namespace) -> None:
    """Measure every pending point; the file is renewed every few seconds, and when something stops the work."""
    from avmm.apis import init_model
    from avmm.evaluation.loss_landscape import (
        WeightPlane,
        cosine,
        loss_and_accuracy,
        random_direction,
        weights_of,
    )
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    batches = fixed_batches(model, cfg, args)
    weights = weights_of(model, args.kind)
    # The second direction of one seed is not the first one of the next.
    directions = [random_direction(weights, 2 * args.seed + i, args.norm, not args.with_small)
                  for i in range(1 if surface.y is None else 2)]
    if surface.y is not None:
        print(f'cosine between the directions: {cosine(*directions):.4f}')
    saved = time.monotonic()
    try:
        with WeightPlane(weights, directions) as plane:
            for index in track(surface.pending(), 'loss landscape'):
                plane.move(*surface.coordinates(index))
                surface.record(index, *loss_and_accuracy(model, batches))
                if time.monotonic() - saved > _EVERY:
                    surface.save(args.out)
                    saved = time.monotonic()
    finally:
        surface.save(args.out)


def draw_line(surface, title: str):
    """Loss and accuracy along one direction."""
    import numpy as np

    from avmm.visualization.style import new_figure, tidy
    figure, axes = new_figure(size=(5.6, 3.8))
    left = tidy(axes[0][0])
    left.plot(surface.x, surface.loss, color='#d55e00', linewidth=1.8)
    left.set_xlabel('step along the direction', fontsize=9)
    left.set_ylabel('loss', fontsize=9, color='#d55e00')
    left.axvline(0, color='0.7', linewidth=1, linestyle=':')
    left.set_title(title, fontsize=10)
    if np.isfinite(surface.accuracy).any():
        right = left.twinx()
        right.plot(surface.x, surface.accuracy, color='#0072b2', linewidth=1.8)
        right.set_ylim(0, 100)
        right.set_ylabel('accuracy (%)', fontsize=9, color='#0072b2')
        right.tick_params(labelsize=8)
        right.spines['top'].set_visible(False)
    return figure


def shown_loss(surface, vmax: float | None):
    """The loss as it can be drawn: cut at ``vmax``, or at the largest finite value."""
    import numpy as np
    finite = surface.loss[np.isfinite(surface.loss)]
    if not finite.size:
        raise ConfigError('the loss is nowhere a finite number; choose a smaller range with --x and --y')
    top = finite.max() if vmax is None else vmax
    if top <= finite.min():
        raise ConfigError(f'--vmax {vmax:g}: no loss is below it; the smallest is {finite.min():.4g}')
    return np.clip(np.nan_to_num(surface.loss, nan=top, posinf=top), finite.min(), top)


def draw_contour(surface, title: str, vmax: float | None, levels: int):
    """Contour lines of the loss, close together where it is small."""
    import numpy as np

    from avmm.visualization.style import new_figure, tidy
    loss = shown_loss(surface, vmax)
    figure, axes = new_figure(size=(5.6, 4.6))
    axis = tidy(axes[0][0], grid=False)
    low = max(loss.min(), 1e-8)
    loss = loss.clip(low)
    steep = loss.max() / low > 20
    at = np.geomspace(low, loss.max(), levels) if steep else np.linspace(low, loss.max(), levels)
    filled = axis.contourf(surface.x, surface.y, loss, np.unique(at), cmap='viridis', norm='log' if steep else None)
    lines = axis.contour(surface.x, surface.y, loss, np.unique(at), colors='white', linewidths=0.5)
    axis.clabel(lines, lines.levels[::3], fontsize=6, fmt='%.3g')
    bar = figure.colorbar(filled, ax=axis, label='loss', ticks=np.unique(at)[::4], format='%.3g')
    bar.ax.minorticks_off()
    axis.plot(0, 0, marker='+', color='red', markersize=10)
    axis.set_xlabel('step along the first direction', fontsize=9)
    axis.set_ylabel('step along the second direction', fontsize=9)
    axis.set_title(title, fontsize=10)
    return figure


def draw_surface(surface, title: str, vmax: float | None):
    """The loss as a surface in three dimensions."""
    import numpy as np

    from avmm.visualization.style import new_figure
    figure, axes = new_figure(size=(6.2, 5.0), subplot_kw=dict(projection='3d'))
    axis = axes[0][0]
    drawn = axis.plot_surface(*np.meshgrid(surface.x, surface.y), shown_loss(surface, vmax), cmap='viridis',
                              linewidth=0.1, edgecolor='0.3', rcount=100, ccount=100)
    figure.colorbar(drawn, ax=axis, shrink=0.6, label='loss')
    axis.set_xlabel('first direction', fontsize=8)
    axis.set_ylabel('second direction', fontsize=8)
    axis.tick_params(labelsize=7)
    axis.view_init(elev=35, azim=-60)
    axis.set_title(title, fontsize=10)
    return figure


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    args.out = check_out(args.out, ('.h5', '.hdf5'))
    if args.levels < 2:
        raise ConfigError(f'--levels {args.levels}: must be 2 or more')
    surface = new_surface(args)
    if surface.pending():
        measure(surface, args)
    print(f'numbers: {args.out}')
    from avmm.visualization.style import save_figure
    title = f'{Path(args.checkpoint).parent.name}/{Path(args.checkpoint).name}, {args.split}'
    if surface.y is None:
        pictures = {'line': draw_line(surface, title)}
    else:
        pictures = {'contour': draw_contour(surface, title, args.vmax, args.levels),
                    'surface': draw_surface(surface, title, args.vmax)}
    for name, figure in pictures.items():
        print(f'picture: {save_figure(figure, args.out.with_name(f"{args.out.stem}_{name}.png"))}')


if __name__ == '__main__':
    run_cli(main)
