"""Features of every layer of a model, for every clip, in one forward of each modality.

Writes <out>/<layer>/audio_rep_<layer>.npy and video_rep_<layer>.npy, float32 (N, D), means over the steps; the last
layer has the logits. Prints retrieval in both directions and the accuracy of the logits.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli, track
from avmm.utils.tooling import pick_device, tool_parser

EXAMPLES = """
python projects/uavm/tools/representations.py work_dirs/uavm_1xb144-10e_vggsound --out feat
python projects/uavm/tools/representations.py CONFIG.py:official.pth --per-class 5 --out feat
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    from projects.uavm.uavm.analysis.command_line import RUNS_HELP, add_data_args
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('run', help=RUNS_HELP)
    parser.add_argument('--out', default='feat', help='folder to write (default: feat)')
    parser.add_argument('--overwrite', action='store_true', help='replace the folder if it exists')
    add_data_args(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    from avmm.evaluation.functional import retrieval_scores
    from projects.uavm.uavm.analysis import dump, find_run
    from projects.uavm.uavm.analysis.command_line import loader_of
    run = find_run(args.run, args.cfg_options)
    loader, count = loader_of(run, args)
    model = run.load(device, args.trust_checkpoint)
    found = dump(model, track(loader, run.name), count, args.out, args.overwrite)
    for layer in found.layers:
        audio, visual = found.pair(layer)
        for direction, pair in (('audio to video', (audio, visual)), ('video to audio', (visual, audio))):
            scores = retrieval_scores(*pair)
            print(f'layer {layer}, {direction}: '
                  + ', '.join(f'{name} {100 * scores[name]:.2f}' for name in ('R@1', 'R@5', 'R@10'))
                  + f', median rank {scores["median_rank"]:g}')
    if found.layers[-1] == model.depth + 1:
        print('accuracy: ' + ', '.join(f'{name} {100 * value:.2f}' for name, value in found.accuracy().items()))
    print(f'{count} clips, {len(found.layers)} layers: {args.out}')


if __name__ == '__main__':
    run_cli(main)
