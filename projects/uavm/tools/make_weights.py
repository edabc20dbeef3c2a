"""Write the weight of every clip of a json list, for balanced sampling: train.json gets train_weight.csv.

A clip weighs the sum over its labels of 1000 / (n + 0.01), n being how often a label occurs in the list.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils import DataError
from avmm.utils.cli import run_cli
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser
from projects.uavm.uavm.datasets.clip_files import (
    class_balance_weights,
    read_clips,
    read_labels,
    weight_path,
    write_weights,
)

EXAMPLES = """
python projects/uavm/tools/make_weights.py --dataset vgg \\
    --label_indices_path data/vggsound/datafile/class_labels_indices_vgg.csv \\
    --datafile_path data/vggsound/datafile/train_vgg_convnext.json
"""
CLASSES = {'audioset': 527, 'vgg': 309}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--dataset', choices=[*CLASSES, 'any'], default='any',
                        help='checks the number of classes: 527 or 309 (default: any)')
    parser.add_argument('--label_indices_path', '--labels', type=resolve_data_root, required=True,
                        help='csv of the classes')
    parser.add_argument('--datafile_path', '--list', type=resolve_data_root, required=True, help='json list of clips')
    parser.add_argument('--suffix', default='weight', help='appended to the name of the list (default: weight)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    labels = read_labels(args.label_indices_path)
    expected = CLASSES.get(args.dataset, len(labels))
    if len(labels) != expected:
        raise DataError(f'{args.label_indices_path}: {len(labels)} classes, {args.dataset} has {expected}')
    clips = read_clips(args.datafile_path, ['labels'])
    numbers = [labels.numbers(clip['labels'], f'{args.datafile_path}: clip {i}') for i, clip in enumerate(clips)]
    path = weight_path(args.datafile_path, args.suffix)
    write_weights(path, class_balance_weights(numbers))
    print(f'{path}: {len(clips)} weights')


if __name__ == '__main__':
    run_cli(main)
