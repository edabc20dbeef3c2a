"""Parameters and floating-point operations of a model, branch by branch."""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, check_out, config_from, example_inputs, tool_parser

EXAMPLES = """
python tools/analysis_tools/get_flops.py configs/quickstart/av_digits.py
python tools/analysis_tools/get_flops.py configs/quickstart/av_digits.py --shape audio=1,257,188 visual=3,3,224,224
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__ + ' A multiplication with its addition counts as two operations.', EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--shape', nargs='+', metavar='MODALITY=SIZES',
                        help='shape of one sample of each modality, without the batch, such as audio=1,257,188; no '
                        'data are read then (default: the shapes of the first sample)')
    parser.add_argument('--split', default='test', help='split of the first sample (default: test)')
    parser.add_argument('--out', help='also write the figures to this .json file')
    return parser.parse_args(argv)


def make_inputs(cfg, model, args: argparse.Namespace) -> dict:
    """``{modality: (1, ...)}`` that the model takes."""
    inputs = example_inputs(cfg, args.shape, args.split)
    unknown = [m for m in inputs if m not in model.modalities]
    if unknown:
        raise ConfigError(f'the model has no modality {unknown[0]!r}; it has {", ".join(model.modalities)}')
    return model.data_preprocessor(dict(inputs=inputs, data_samples=None), False)['inputs']


def count(model, inputs: dict) -> dict[str, dict]:
    """``{part: {'parameters', 'trainable', 'flops'}}`` for each branch, the rest and the whole."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs, mode='tensor')
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    names = {module: name for name, module in model.named_modules()}
    figures = {'whole': dict(flops=flops.get('Global', 0), **sizes(model))}
    for modality in model.modalities:
        branch = model.branch(modality)
        found = flops.get(f'{type(model).__name__}.{names[branch]}', 0)
        figures[modality] = dict(flops=found, **sizes(branch))
    rest = {key: figures['whole'][key] - sum(figures[m][key] for m in model.modalities) for key in figures['whole']}
    return {**{m: figures[m] for m in model.modalities}, 'rest': rest, 'whole': figures['whole']}


def sizes(module) -> dict[str, int]:
    parameters = list(module.parameters())
    return dict(parameters=sum(p.numel() for p in parameters),
                trainable=sum(p.numel() for p in parameters if p.requires_grad))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = config_from(args)
    from avmm.apis import init_model
    model = init_model(cfg)
    inputs = make_inputs(cfg, model, args)
    figures = count(model, inputs)
    print('one sample: ' + ', '.join(f'{m} {tuple(x.shape[1:])}' for m, x in inputs.items()))
    print(f'{"part":<10} {"parameters":>14} {"trainable":>14} {"GFLOPs":>12}')
    for part, row in figures.items():
        print(f'{part:<10} {row["parameters"]:>14,} {row["trainable"]:>14,} {row["flops"] / 1e9:>12.4f}')
    if args.out:
        shapes = {m: list(x.shape[1:]) for m, x in inputs.items()}
        check_out(args.out, ('.json', )).write_text(json.dumps(dict(shapes=shapes, parts=figures), indent=2))
        print(f'figures: {args.out}')


if __name__ == '__main__':
    run_cli(main)
