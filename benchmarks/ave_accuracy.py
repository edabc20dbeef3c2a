"""Train a config of AVE and the plain reference of CMRAN with the same seeds, and compare their accuracies.

Both train on the same files for the same number of epochs, and are evaluated on the test split after each. Either
side draws its own initial weights, order of the data and dropout: single runs differ, means over seeds should agree.
"""
from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmengine.config import Config
from mmengine.hooks import Hook

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import (
    REPO_ROOT,
    add_config_args,
    build_dataset,
    check_out,
    config_from,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python benchmarks/ave_accuracy.py projects/cmran/configs/cmran_supv_1xb32-10e_ave_synthetic.py
python benchmarks/ave_accuracy.py projects/cmran/configs/cmran_weak_1xb32-10e_ave_synthetic.py --seeds 0 1
python benchmarks/ave_accuracy.py CONFIG --reference-dtype float64 --cfg-options train_dataloader.num_workers=0
"""
METRIC = 'segment_accuracy/joint'


class Accuracies(Hook):
    """Keeps the accuracy of every evaluation."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Take the accuracy down."""
        self.values.append(float(metrics[METRIC]))
        report('ours', len(self.values), self.values[-1])


def report(name: str, epoch: int, accuracy: float) -> None:
    print(f'{name:>5}, epoch {epoch}: {accuracy:.2f} %', flush=True)


def train_ours(cfg: Config, seed: int, epochs: int) -> list[float]:
    """Accuracy in percent on the test split after each epoch of the config."""
    from avmm.engine.build import build_runner
    cfg = copy.deepcopy(cfg)
    with tempfile.TemporaryDirectory() as folder:
        cfg.update(work_dir=folder, resume=False, load_from=None, randomness=dict(seed=seed))
        cfg.train_cfg.update(max_epochs=epochs, val_interval=1)
        cfg.default_hooks = dict(cfg.get('default_hooks') or {}, checkpoint=None)
        runner = build_runner(cfg, REPO_ROOT)
        hook = Accuracies()
        runner.register_hook(hook)
        runner.train()
    return hook.values


def train_plain(cfg: Config, seed: int, epochs: int, dtype: str, device: str) -> list[float]:
    """Accuracy in percent on the test split after each epoch of the plain reference."""
    from benchmarks.ave_cmran import train
    dataset = build_dataset(cfg, 'train')
    return train(seed, epochs, str(dataset.data_root), lambda epoch, accuracy: report('plain', epoch + 1, accuracy),
                 setting=cfg.train_dataloader.dataset.get('setting', 'supervised'), dtype=dtype, device=device,
                 batch_size=cfg.train_dataloader.batch_size)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='seeds (default: 0 1 2)')
    parser.add_argument('--epochs', type=int, help="default: the config's")
    parser.add_argument('--reference-dtype', choices=['float32', 'float64'], default='float32',
                        help='precision of the reference (default: float32, which is faster; published: float64)')
    parser.add_argument('--device', default=None, help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--threads', type=int, help="threads of torch (default: torch's)")
    parser.add_argument('--out', help='also write all figures to this .json file')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    import torch
    if args.threads:
        torch.set_num_threads(args.threads)
    # As published: what is evaluated after an epoch is the test split.
    args.cfg_options.setdefault('select_on', 'test')
    cfg = config_from(args, with_data=True)
    if cfg.train_cfg.get('type') != 'EpochTrainLoop':
        raise ConfigError(f'{args.config}: must train by epochs (train_cfg.type EpochTrainLoop)')
    epochs, device = args.epochs or cfg.train_cfg.max_epochs, str(pick_device(args.device))
    runs: dict[str, list[list[float]]] = dict(ours=[], plain=[])
    for seed in args.seeds:
        print(f'seed {seed}')
        runs['ours'].append(train_ours(cfg, seed, epochs))
        runs['plain'].append(train_plain(cfg, seed, epochs, args.reference_dtype, device))
    print(f'\naccuracy in %, mean ± deviation over seeds {args.seeds}')
    print(f'{"":>5}  {"best epoch":>12}  {"last epoch":>12}')
    for name, curves in runs.items():
        columns = [[max(curve) for curve in curves], [curve[-1] for curve in curves]]
        print(f'{name:>5}' + ''.join(f'  {statistics.mean(c):>6.2f} ± {statistics.pstdev(c):.1f}' for c in columns))
    if args.out:
        text = json.dumps(dict(settings=vars(args), accuracies=runs), indent=2)
        check_out(args.out, ('.json', )).write_text(text, encoding='utf-8')


if __name__ == '__main__':
    run_cli(main)
