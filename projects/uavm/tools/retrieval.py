"""Figure 4: how well a layer finds the video clip of a sound, and the other way round.

For each run and layer, every clip of one modality ranks the clips of the other by cosine similarity. Writes
retrieval.csv (both directions, all measures), retrieval_r5.csv and retrieval_r10.csv (audio to video, a row a run and
a column a layer, as published) and figure_4.<format>. Without runs the picture has the published values alone.
"""
from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli, track
from avmm.utils.tooling import pick_device

EXAMPLES = """
python projects/uavm/tools/retrieval.py work_dirs/uavm_s128_r* work_dirs/uavm_s1024_r* --repeats 3
python projects/uavm/tools/retrieval.py CONFIG.py:official.pth --per-class 0 --ties average
python projects/uavm/tools/retrieval.py                            # the published values alone
"""
MEASURES = ('R@1', 'R@5', 'R@10', 'median_rank')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    from projects.uavm.uavm.analysis.command_line import add_data_args, figure_parser
    parser = figure_parser(__doc__, EXAMPLES, 'figures/uavm')
    add_data_args(parser, per_class=5)
    parser.add_argument('--ties', choices=['repeated', 'average'], default='repeated',
                        help='clips of equal similarity: each counts as a result, as published, or their mean place '
                        'does (default: repeated)')
    parser.add_argument('--width', type=int, help='S of the runs on the right side, which compares numbers of shared '
                        'blocks (default: 128 if a run has it, else the commonest)')
    return parser.parse_args(argv)


def measure(representations, ties: str) -> dict[str, dict[int, dict[str, float]]]:
    """``{direction: {layer: measures}}``."""
    from avmm.evaluation.functional import retrieval_scores
    found: dict[str, dict] = {'audio to video': {}, 'video to audio': {}}
    for layer in representations.layers:
        audio, visual = representations.pair(layer)
        found['audio to video'][layer] = retrieval_scores(audio, visual, ties=ties)
        found['video to audio'][layer] = retrieval_scores(visual, audio, ties=ties)
    return found


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    from avmm.visualization.style import save_figure
    from projects.uavm.uavm.analysis import collect, drawing, group_runs, usual
    from projects.uavm.uavm.analysis.command_line import loader_of, runs_of, write_table
    groups = group_runs(runs_of(args), args.repeats)
    out, rows, tables = Path(args.out_dir), [], {name: [] for name in ('R@5', 'R@10')}
    by_width: dict[str, dict] = {name: defaultdict(list) for name in tables}
    by_layer: dict[int, dict] = defaultdict(lambda: defaultdict(list))
    # The left side varies the width, the right side the number of shared blocks.
    depths = usual(groups, lambda s: (s.kind, *s.depths), ('unified', 3, 3))
    width = args.width or usual([s for s in groups if s.shared_depth], lambda s: s.shared_channels, 128)
    for setting, runs in groups.items():
        last = setting.specific_depth + setting.shared_depth
        for run in runs:
            loader, count = loader_of(run, args)
            found = measure(collect(run.load(device, args.trust_checkpoint), track(loader, run.name)), args.ties)
            for direction, layers in found.items():
                rows += [[run.name, direction, layer, *(scores[name] for name in MEASURES)]
                         for layer, scores in layers.items()]
            layers = found['audio to video']
            for name, table in tables.items():
                table.append([run.name, *(scores[name] for scores in layers.values())])
                if last in layers and (setting.kind, *setting.depths) == depths:
                    by_width[name][setting.shared_channels].append(layers[last][name])
            if setting.type == 'UAVM' and (setting.shared_channels == width or not setting.shared_depth):
                for layer, scores in layers.items():
                    by_layer[setting.shared_depth][layer].append(scores['R@10'])
            top = layers[max(layers)]
            print(f'{run.name}: {count} clips, layer {max(layers)}, audio to video: '
                  + ', '.join(f'{name} {100 * top[name]:.2f}' for name in MEASURES[:3])
                  + f', median rank {top["median_rank"]:g}')
    if rows:
        print(f'table: {write_table(out / "retrieval.csv", ["run", "direction", "layer", *MEASURES], rows)}')
        for name, table in tables.items():
            header = ['run', *(f'layer {k}' for k in range(max(map(len, table)) - 1))]
            path = out / f'retrieval_{name.lower().replace("@", "")}.csv'
            print(f'table: {write_table(path, header, table)}')
    figure = drawing.retrieval_figure(by_width, by_layer)
    print(f'picture: {save_figure(figure, out / f"figure_4.{args.format}")}')


if __name__ == '__main__':
    run_cli(main)
