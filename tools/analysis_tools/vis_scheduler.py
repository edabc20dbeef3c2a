"""The learning rate (and momentum) over the run of a config, without building its data or its model."""
from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, check_out, config_from, tool_parser

EXAMPLES = """
python tools/analysis_tools/vis_scheduler.py configs/quickstart/av_digits.py --iters-per-epoch 22
python tools/analysis_tools/vis_scheduler.py configs/quickstart/av_digits.py --parameter momentum --csv momentum.csv
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--parameter', choices=['lr', 'momentum'], default='lr', help='what to draw (default: lr)')
    parser.add_argument('--iters-per-epoch', type=int, default=100, metavar='N',
                        help='iterations of an epoch, which the data would tell (default: 100)')
    parser.add_argument('--out', default='scheduler.png', help='picture: png, pdf or svg (default: scheduler.png)')
    parser.add_argument('--csv', help='also write the values of every iteration to this file')
    args = parser.parse_args(argv)
    if args.iters_per_epoch < 1:
        raise ConfigError(f'--iters-per-epoch {args.iters_per_epoch}: must be at least 1')
    return args


def run_length(cfg: Config, iters_per_epoch: int) -> tuple[int, int | None]:
    """``(iterations, epochs)`` of the training loop; epochs is None in a run by iterations."""
    loop = cfg.get('train_cfg') or {}
    if loop.get('max_epochs'):
        return loop['max_epochs'] * iters_per_epoch, loop['max_epochs']
    if loop.get('max_iters'):
        return loop['max_iters'], None
    raise ConfigError('train_cfg names neither max_epochs nor max_iters, so the run has no length')


def build_schedulers(cfg: Config, iters: int, epochs: int | None, iters_per_epoch: int) -> tuple:
    """A toy optimiser with the settings of the config's, and the config's schedulers acting on it."""
    import torch
    from mmengine.optim import OptimWrapper
    from mmengine.registry import init_default_scope

    from avmm.registry import OPTIMIZERS, PARAM_SCHEDULERS
    init_default_scope(cfg.get('default_scope', 'avmm'))
    settings = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not settings:
        raise ConfigError('optim_wrapper.optimizer is missing, so there is no learning rate to draw')
    # Two dimensions, since optimisers that factorise by rows and columns need them.
    weight = torch.nn.Parameter(torch.zeros(1, 1))
    weight.grad = torch.zeros_like(weight)
    wrapper = OptimWrapper(OPTIMIZERS.build(dict(settings, params=[weight])))
    configs = cfg.get('param_scheduler') or []
    schedulers = []
    for settings in configs if isinstance(configs, (list, tuple)) else [configs]:
        settings = dict(settings)
        settings.setdefault('end', epochs if settings.get('by_epoch', True) and epochs else iters)
        schedulers.append(PARAM_SCHEDULERS.build(
            settings, default_args={'optimizer': wrapper, 'epoch_length': iters_per_epoch}))
    return wrapper, schedulers


def trace(cfg: Config, parameter: str, iters_per_epoch: int) -> list[float]:
    """The value with which each iteration of the run steps."""
    iters, epochs = run_length(cfg, iters_per_epoch)
    wrapper, schedulers = build_schedulers(cfg, iters, epochs, iters_per_epoch)
    read = wrapper.get_lr if parameter == 'lr' else wrapper.get_momentum
    values = []
    for i in range(1, iters + 1):
        values.append(read()[parameter][0])
        wrapper.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (epochs and i % iters_per_epoch == 0):
                scheduler.step()
    return values


def draw(values: list[float], parameter: str, iters_per_epoch: int, epochs: int | None, out: Path) -> None:
    from avmm.visualization.plots import draw_curves
    from avmm.visualization.style import new_figure, save_figure
    figure, axes = new_figure(size=(8, 4))
    scale = iters_per_epoch if epochs else 1
    draw_curves(axes[0][0], {parameter: ([i / scale for i in range(len(values))], values)},
                xlabel='epoch' if epochs else 'iteration', ylabel='learning rate' if parameter == 'lr' else parameter)
    save_figure(figure, out)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = check_out(args.out, ('.png', '.pdf', '.svg'))
    cfg = config_from(args, to_build=False)
    values = trace(cfg, args.parameter, args.iters_per_epoch)
    _, epochs = run_length(cfg, args.iters_per_epoch)
    draw(values, args.parameter, args.iters_per_epoch, epochs, out)
    print(f'{args.parameter}: {values[0]:.6g} at the start, {max(values):.6g} at most, {values[-1]:.6g} at the end of '
          f'{len(values)} iterations')
    print(f'picture: {out}')
    if args.csv:
        with check_out(args.csv, ('.csv', )).open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['iteration', args.parameter])
            writer.writerows(enumerate(values))
        print(f'numbers: {args.csv}')


if __name__ == '__main__':
    run_cli(main)
