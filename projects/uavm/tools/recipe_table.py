"""The table at the end of the recipe on AV-Digits: accuracy of each model on the test clips.

Reads the test.npz that tools/test.py --out has written into each work directory. A model on features says what audio,
video and both give; cross-modality attention, which has one answer, what both give; an extractor has one modality.
"""
from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.utils import DataError
from avmm.utils.cli import run_cli
from avmm.utils.tooling import print_lines, tool_parser

EXAMPLES = """
python projects/uavm/tools/recipe_table.py work_dirs/uavm_recipe/uavm work_dirs/uavm_recipe/independent \\
    --audio work_dirs/uavm_recipe/audio_extractor --video work_dirs/uavm_recipe/visual_extractor
"""
#: Names of the columns, and of the scores in the file.
COLUMNS = {'audio': 'score_audio', 'video': 'score_visual', 'both': 'pred_score'}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('runs', nargs='+', type=Path, help='work directories of the models on features')
    parser.add_argument('--audio', type=Path, help='work directory of the audio extractor')
    parser.add_argument('--video', type=Path, help='work directory of the visual extractor')
    parser.add_argument('--out', type=Path, help='also write the table to this file')
    return parser.parse_args(argv)


def read_predictions(run: Path) -> dict[str, np.ndarray]:
    """The arrays of a run's test.npz.

    Raises:
        DataError: If it is missing, broken, or without labels and scores.
    """
    path = run / 'test.npz'
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f'{path}: cannot be read ({error}); tools/test.py --out writes it') from None
    if not {'gt_label', 'pred_score'} <= set(found):
        raise DataError(f'{path}: holds {", ".join(found) or "nothing"}, gt_label and pred_score are needed')
    return found


def accuracies(found: dict[str, np.ndarray], only: str | None = None) -> dict[str, float]:
    """Accuracy by column, per cent; ``only`` names the one column of an extractor."""
    columns = COLUMNS if only is None else {only: 'pred_score'}
    return {name: 100 * float(np.mean(found[key].argmax(1) == found['gt_label']))
            for name, key in columns.items() if key in found}


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    asked = [(args.audio, 'audio'), (args.video, 'video'), *((run, None) for run in args.runs)]
    lines = [f'| accuracy, % | {" | ".join(COLUMNS)} |', f'|{"---|" * (len(COLUMNS) + 1)}']
    for run, only in asked:
        if run is None:
            continue
        found = read_predictions(run)
        row = accuracies(found, only)
        cells = [f'{row[name]:.1f}' if name in row else '' for name in COLUMNS]
        lines.append(f'| {run.resolve().name.replace("_", " ")} | {" | ".join(cells)} |')
    labels = found['gt_label']
    chance = 100 * np.bincount(labels).max() / len(labels)
    lines += ['', f'{len(labels)} test clips; always naming the commonest class is right for {chance:.1f} %.']
    print_lines(lines, args.out)


if __name__ == '__main__':
    run_cli(main)
