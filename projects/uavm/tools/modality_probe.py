"""Figure 3: does a layer still tell audio from video?

For each run, a linear classifier tells the modality of the features of each layer, trained on one half of the clips
and tested on the other. Writes modality_probe.csv, probe_weights.csv and figure_3.<format>, with --tsne also
figure_3d.<format>. Without runs the picture has the published values alone.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli, track
from avmm.utils.tooling import pick_device

EXAMPLES = """
python projects/uavm/tools/modality_probe.py work_dirs/uavm_s16_r* work_dirs/uavm_s1024_r* --repeats 3
python projects/uavm/tools/modality_probe.py CONFIG.py:official.pth --tsne
python projects/uavm/tools/modality_probe.py                       # the published values alone
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    from projects.uavm.uavm.analysis.command_line import add_data_args, figure_parser
    parser = figure_parser(__doc__, EXAMPLES, 'figures/uavm')
    add_data_args(parser)
    parser.add_argument('--keep', action='store_true', help='keep the features, in <out-dir>/representations')
    parser.add_argument('--tsne', action='store_true', help='also draw maps of the layers of one run a setting')
    parser.add_argument('--tsne-every', type=int, default=5, help='clips to take: every n-th (default: 5)')
    parser.add_argument('--tsne-iterations', type=int, default=5000, help='default: 5000')
    return parser.parse_args(argv)


def probe_run(run, representations, args: argparse.Namespace) -> tuple[list[float], object]:
    """Accuracy of the probe of each layer, logits left out, and the probe of the last; prints them."""
    from avmm.evaluation.functional import paired_cosine
    from projects.uavm.uavm.analysis import modality_probe
    accuracies, probe = [], None
    layers = [layer for layer in representations.layers if layer <= depth_of(run)]
    for layer in track(layers, f'probes of {run.name}'):
        audio, visual = representations.pair(layer)
        probe = modality_probe(audio, visual, args.seed)
        accuracies.append(probe.accuracy)
        print(f'{run.name}, layer {layer}: accuracy {100 * probe.accuracy:.2f}, '
              f'mean cosine of pairs {paired_cosine(audio, visual).mean():.4f}')
    return accuracies, probe


def depth_of(run) -> int:
    """Number of blocks that a modality passes, the number of the last layer before the logits."""
    return run.setting.specific_depth + run.setting.shared_depth


def maps_of(run, representations, args: argparse.Namespace) -> list[tuple]:
    """The map of each layer but the logits."""
    from projects.uavm.uavm.analysis import tsne_map
    layers = [layer for layer in representations.layers if layer <= depth_of(run)]
    return [tsne_map(*(x[::args.tsne_every] for x in representations.pair(layer)), iterations=args.tsne_iterations,
                     seed=args.seed) for layer in track(layers, f't-SNE of {run.name}')]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    from avmm.visualization.style import save_figure
    from projects.uavm.uavm.analysis import drawing, dump, group_runs, usual
    from projects.uavm.uavm.analysis.command_line import loader_of, runs_of, write_table
    groups = group_runs(runs_of(args), args.repeats)
    out, rows, weights, maps = Path(args.out_dir), [], [], {}
    by_width: dict[int, list] = defaultdict(list)
    curves = {}
    # The picture compares widths; the table has the other numbers of blocks too.
    depths = usual(groups, lambda s: (s.kind, *s.depths), ('unified', 3, 3))
    for setting, runs in groups.items():
        for number, run in enumerate(runs):
            with tempfile.TemporaryDirectory() as folder:
                where = out / 'representations' / run.name if args.keep else Path(folder, 'feat')
                loader, count = loader_of(run, args)
                found = dump(run.load(device, args.trust_checkpoint), track(loader, run.name), count, where, True)
                accuracies, probe = probe_run(run, found, args)
                rows.append([run.name, *accuracies])
                if (setting.kind, *setting.depths) == depths:
                    by_width[setting.shared_channels].append(accuracies)
                if number == 0:
                    if (setting.kind, *setting.depths) == depths:
                        curves[setting.shared_channels] = probe.curve
                    weights.append([run.name, *map(float, probe.curve)])
                    if args.tsne:
                        maps[setting.label] = maps_of(run, found, args)
    if rows:
        layers = [f'layer {k}' for k in range(max(map(len, rows)) - 1)]
        print(f'table: {write_table(out / "modality_probe.csv", ["run", *layers], rows)}')
        print(f'table: {write_table(out / "probe_weights.csv", ["run", "sizes of the weights, ascending"], weights)}')
    figure = drawing.probe_figure(by_width, curves)
    print(f'picture: {save_figure(figure, out / f"figure_3.{args.format}")}')
    if maps:
        print(f'picture: {save_figure(drawing.tsne_figure(maps), out / f"figure_3d.{args.format}")}')


if __name__ == '__main__':
    run_cli(main)
