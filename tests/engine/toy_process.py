"""Trains the toy in a process of its own, which may send itself a signal."""
from __future__ import annotations

import argparse
import json
import os
import signal

import torch
from mmengine.hooks import Hook

from avmm.registry import HOOKS
from avmm.testing import build_toy_runner, toy_config
from avmm.utils.cli import run_cli


@HOOKS.register_module()
class SignalHook(Hook):
    """Sends this process a signal once an iteration is over."""

    priority = 'LOWEST'

    def __init__(self, at: int, name: str, rank: int | None = None, group: bool = False):
        self.at, self.signal, self.rank, self.group = at, getattr(signal, name), rank, group

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at and self.rank in (None, runner.rank):
            # A terminal sends Ctrl-C to the data workers too.
            os.killpg(0, self.signal) if self.group else os.kill(os.getpid(), self.signal)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('work_dir')
    parser.add_argument('overrides', type=json.loads)
    parser.add_argument('--kill-at', type=int, default=0)
    parser.add_argument('--signal', default='SIGKILL')
    parser.add_argument('--rank', type=int)
    parser.add_argument('--group', action='store_true')
    args = parser.parse_args()
    torch.set_num_threads(1)
    cfg = toy_config(args.work_dir, **args.overrides)
    if args.kill_at:
        cfg.custom_hooks.append(dict(type='SignalHook', at=args.kill_at, name=args.signal, rank=args.rank,
                                     group=args.group))
    build_toy_runner(cfg).train()


if __name__ == '__main__':
    run_cli(main)
