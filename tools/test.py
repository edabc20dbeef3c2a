"""Evaluate a checkpoint on the test split of a config."""
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

EXAMPLES = """Examples:
  python tools/test.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth
  python tools/test.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth --out predictions.npz
  python tools/test.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth --show-dir pictures
  bash tools/dist_test.sh configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth 2
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the log; work_dirs/<config name> by default')
    parser.add_argument('--out', metavar='FILE', help='write the predictions, to a .npz or .jsonl file: sample_id, '
                        'gt_label, pred_score, score_<modality>, and segments where there are any')
    parser.add_argument('--show-dir', help='write a picture of each prediction into this folder')
    parser.add_argument('--show-interval', type=int, default=20, help='draw one sample in so many (default: 20)')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let the checkpoint run code; only for files you trust')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE',
                        help='override entries of the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the ranks of a distributed run were started')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.out and not args.out.endswith(('.npz', '.jsonl')):
        parser.error(f'--out must end in .npz or .jsonl, got {args.out}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Write the command line into the config."""
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    cfg.load_from, cfg.resume = args.checkpoint, False
    cfg.trust_checkpoint = args.trust_checkpoint
    # Testing builds nothing of the training side, so its data need not be there.
    cfg.train_cfg = cfg.train_dataloader = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.out:
        evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        cfg.test_evaluator = [*evaluators, {'type': 'PredictionDump', 'out_file': args.out}]
    if args.show_dir:
        pictures = {'type': 'PredictionPictureHook', 'out_dir': args.show_dir, 'interval': args.show_interval}
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), pictures]
    return cfg


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = merge_args(load_config(args.config, args.cfg_options), args)

    from avmm.engine.build import build_runner
    build_runner(cfg, REPO).test()


if __name__ == '__main__':
    run_cli(main)
