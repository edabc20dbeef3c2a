"""Turn a training checkpoint into one to give away: weights and plain facts alone, its name ending in its checksum."""
from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import CheckpointError
from avmm.utils.tooling import check_out, tool_parser

EXAMPLES = """
python tools/analysis_tools/publish_model.py work_dirs/av_digits/epoch_6.pth --out av_digits.pth
python tools/analysis_tools/publish_model.py work_dirs/av_digits/epoch_6.pth --key ema_state_dict --half
"""
#: Facts about the run that are kept; times, hosts and random states are not.
KEPT_META = ('epoch', 'iter', 'dataset_meta', 'classes', 'seed', 'experiment_name', 'mmengine_version', 'avmm_version',
             'cfg')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='file to write; -<first 8 digits of its sha256> is added to its name '
                        '(default: <checkpoint>_published.pth)')
    parser.add_argument('--key', default='state_dict', metavar='NAME',
                        help='which weights, such as ema_state_dict (default: state_dict)')
    parser.add_argument('--half', action='store_true', help='store floating-point weights in 16 bits')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let the checkpoint run code; only for files you trust')
    return parser.parse_args(argv)


def weights_of(content: dict, key: str, path: str) -> dict:
    """The weights under ``key``, without the prefix of a wrapper; the average model of EMA becomes a plain one."""
    state = content.get(key)
    if not isinstance(state, dict) or not state:
        found = ', '.join(k for k, v in content.items() if isinstance(v, dict))
        raise CheckpointError(f'{path} holds no weights under {key!r}; it has {found or "no dictionaries"}')
    if all(name == 'steps' or name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items() if name != 'steps'}
    return dict(state)


def publish(content: dict, key: str, half: bool, path: str) -> dict:
    """What is given away: ``{'state_dict', 'meta'}``."""
    import torch

    from avmm.engine.checkpoint import plain
    state = weights_of(content, key, path)
    # A view into a larger storage would drag all of it along.
    state = {name: value.clone() for name, value in state.items() if isinstance(value, torch.Tensor)}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    meta = content.get('meta') or {}
    return dict(state_dict=state, meta=plain({k: meta[k] for k in KEPT_META if k in meta}, drop=True))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    source = Path(args.checkpoint)
    target = check_out(args.out or source.with_name(f'{source.stem}_published.pth'), ('.pth', '.pt'))
    from avmm.engine.checkpoint import load_checkpoint, save_checkpoint
    content = load_checkpoint(source, trust=args.trust_checkpoint)
    unnamed = target.with_name(f'.{target.stem}.{os.getpid()}{target.suffix}')
    try:
        save_checkpoint(publish(content, args.key, args.half, args.checkpoint), unnamed)
        digest = hashlib.sha256(unnamed.read_bytes()).hexdigest()
        final = target.with_name(f'{target.stem}-{digest[:8]}{target.suffix}')
        os.replace(unnamed, final)
    finally:
        unnamed.unlink(missing_ok=True)
    print(f'{final}: {final.stat().st_size / 1e6:.2f} MB of {source.stat().st_size / 1e6:.2f} MB')
    print(f'sha256: {digest}')


if __name__ == '__main__':
    run_cli(main)
