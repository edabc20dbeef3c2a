"""A config as a run sees it: after inheritance and --cfg-options."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.config import load_config
from avmm.utils.tooling import add_config_args, check_out, config_from, tool_parser

EXAMPLES = """
python tools/misc/print_config.py configs/quickstart/av_digits.py
python tools/misc/print_config.py configs/quickstart/av_digits_ogmge.py --diff configs/quickstart/av_digits.py
python tools/misc/print_config.py configs/quickstart/av_digits.py --check --cfg-options train_cfg.max_epochs=3
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--diff', metavar='CONFIG', help='print only what differs from this config')
    parser.add_argument('--check', action='store_true',
                        help='look up every type and bind every argument; status 1 if some are wrong')
    parser.add_argument('--out', help='write the whole config to this .py, .json or .yaml file')
    return parser.parse_args(argv)


def flatten(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """``(dotted key, leaf)`` pairs, such as ``('model.encoders.audio.type', 'ResNet18')``."""
    children = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, (list, tuple)):
        children = list(enumerate(value))
    if not children:
        yield key, value
    for name, child in children:
        yield from flatten(child, f'{key}.{name}' if key else str(name))


def difference(old: Any, new: Any) -> list[str]:
    """One line a changed key: ``- key = old`` and ``+ key = new``."""
    before, after = dict(flatten(old)), dict(flatten(new))
    lines = []
    for key in sorted(before.keys() | after.keys()):
        if key in before and key in after and before[key] == after[key]:
            continue
        lines += [f'- {key} = {before[key]!r}'] if key in before else []
        lines += [f'+ {key} = {after[key]!r}'] if key in after else []
    return lines


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    cfg = config_from(args, to_build=False)
    if args.diff:
        lines = difference(load_config(args.diff).to_dict(), cfg.to_dict())
        print('\n'.join(lines) or 'the two configs are the same')
    elif not args.check:
        print(cfg.pretty_text)
    if args.out:
        cfg.dump(check_out(args.out, ('.py', '.json', '.yaml', '.yml')))
    if not args.check:
        return 0
    from avmm.utils.config_check import find_errors
    problems = list(find_errors(cfg))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f'{args.config}: {len(problems)} wrong' if problems else f'{args.config}: nothing wrong')
    return 1 if problems else 0


if __name__ == '__main__':
    run_cli(main)
