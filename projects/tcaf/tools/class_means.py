"""Recognise seen and unseen classes by class means, without training: a yardstick for what a model learns.

Means of unseen classes are guessed from word vectors by ridge regression. The calibration is chosen on validation
data; the test uses it with means of training and validation data together, as the benchmark has it.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli
from avmm.utils.config import load_config
from avmm.utils.errors import ConfigError
from avmm.utils.prepare import prepare_data
from avmm.utils.tooling import REPO_ROOT, tool_parser
from projects.tcaf.tcaf.class_means import two_stage_class_means
from projects.tcaf.tcaf.class_splits import CLASS_SPLITS
from projects.tcaf.tcaf.dataset import GZSLDataset
from projects.tcaf.tcaf.gzsl_metric import percentages, write_curves
from projects.tcaf.tcaf.word_vectors import WORD_ORDERS

EXAMPLES = """
python projects/tcaf/tools/class_means.py projects/tcaf/configs/tcaf_synthetic.py
python projects/tcaf/tools/class_means.py data/ucf_gzsl_synthetic --word-order by_class
python projects/tcaf/tools/class_means.py data/avgzsl/UCF --features main_features_non_averaged \\
    --class-split main_split
python projects/tcaf/tools/class_means.py data/avgzsl/UCF --curves work_dirs/class_means.json
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('data', help='folder of the data set, or a config, whose data are taken')
    parser.add_argument('--features', default='cls_features_non_averaged',
                        help='name of the features (default: cls_features_non_averaged)')
    parser.add_argument('--class-split', choices=CLASS_SPLITS, default='cls_split',
                        help='division of the classes (default: cls_split)')
    parser.add_argument('--word-order', choices=WORD_ORDERS, default='manual_sorted',
                        help='which vector a class gets (default: manual_sorted, as published)')
    parser.add_argument('--ridge', type=float, default=0.1, help='weight of the ridge (default: 0.1)')
    parser.add_argument('--curves', help='file for the curves of validation, which gzsl_curves.py draws')
    parser.add_argument('--out', help='file for the values, as JSON')
    return parser.parse_args(argv)


def dataset_options(args: argparse.Namespace) -> dict:
    """Arguments of :class:`GZSLDataset`, but for the split.

    Raises:
        ConfigError: If the config has other data.
    """
    if not args.data.endswith('.py'):
        return dict(data_root=args.data, features=args.features, class_split=args.class_split,
                    word_order=args.word_order)
    cfg = load_config(args.data)
    options = dict(cfg.get('train_dataloader', {}).get('dataset', {}))
    if options.pop('type', None) != 'GZSLDataset':
        raise ConfigError(f'{args.data}: class means need the data set GZSLDataset')
    prepare_data(cfg, REPO_ROOT)
    # Means are over whole clips, and there is nobody to compare them with.
    return {name: value for name, value in options.items() if name not in ('split', 'seq_len', 'negatives')}


def main(argv: list[str] | None = None) -> None:
    """Print the values of validation and test, in per cent."""
    args = parse_args(argv)
    made, options = {}, dataset_options(args)

    def make(split: str) -> GZSLDataset:
        made[split] = GZSLDataset(split=split, **options)
        return made[split]

    found = two_stage_class_means(make, args.ridge)
    values = {split: percentages(result) for split, result in found.items()}
    for split, shares in values.items():
        print(f'{split:<5} ' + '  '.join(f'{name} {value:.2f}' for name, value in shares.items()))
    if args.curves:
        write_curves(args.curves, {'class means': found['val']}, made['val'].metainfo['classes'])
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(values, indent=2) + '\n')


if __name__ == '__main__':
    run_cli(main)
