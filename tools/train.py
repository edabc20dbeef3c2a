"""Train a model from a config."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from mmengine.config import Config  # noqa: E402

from avmm.utils.cli import run_cli  # noqa: E402
from avmm.utils.config import OptionsAction, load_config  # noqa: E402
from avmm.utils.errors import ConfigError  # noqa: E402

EXAMPLES = """Examples:
  python tools/train.py configs/quickstart/av_digits.py
  python tools/train.py configs/quickstart/av_digits.py --resume --work-dir work_dirs/digits
  python tools/train.py configs/quickstart/av_digits.py --cfg-options train_cfg.max_epochs=3 randomness.seed=1
  bash tools/dist_train.sh configs/quickstart/av_digits.py 2
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; work_dirs/<config name> by default')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='auto|PATH',
                        help='continue from the newest checkpoint of the work dir, or from PATH')
    parser.add_argument('--amp', action='store_true', help='mixed precision: fp16 on a GPU, bf16 on a CPU')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the total batch size over auto_scale_lr.base_batch_size')
    parser.add_argument('--no-validate', action='store_true', help='train without validation')
    parser.add_argument('--seed', type=int, help='seed of everything random; that of the config by default')
    parser.add_argument('--deterministic', action='store_true', help='deterministic kernels, slower on a GPU')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let a checkpoint that is resumed from or loaded run code; only for files you trust')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE',
                        help='override entries of the config, as in optim_wrapper.optimizer.lr=0.01')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the ranks of a distributed run were started')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Write the command line into the config."""
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    if args.resume == 'auto':
        cfg.resume, cfg.load_from = True, None
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    if args.amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
    if args.auto_scale_lr:
        if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
            raise ConfigError('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size, the total batch size '
                              'that its learning rate is meant for')
        cfg.auto_scale_lr.enable = True
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    randomness = cfg.setdefault('randomness', {'seed': 0})
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.deterministic:
        randomness['deterministic'] = True
    cfg.trust_checkpoint = args.trust_checkpoint
    return cfg


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = merge_args(load_config(args.config, args.cfg_options), args)

    from avmm.engine.build import build_runner
    build_runner(cfg, REPO).train()


if __name__ == '__main__':
    run_cli(main)
