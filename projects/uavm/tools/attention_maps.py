"""Figure 5: where the models look, and how far audio and video differ in it.

Writes attention_difference.csv (a row a run, a column a block) and figure_5_difference.<format>; with --clips also
figure_5_<clip>.<format>, where each run has a row; with --save also the maps of the first clips, as .npy files. The
maps of a batch are read once and forgotten, so that memory does not grow with the number of clips. Without runs the
picture has the published values alone.
"""
from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.tooling import pick_device

EXAMPLES = """
python projects/uavm/tools/attention_maps.py work_dirs/uavm_ns*_r* --repeats 3
python projects/uavm/tools/attention_maps.py CONFIG.py:official.pth JOINT_CONFIG.py:joint.pth --clips 8 --pre-norm
python projects/uavm/tools/attention_maps.py                       # the published values alone
"""
#: Names of the maps in the files of the published program.
OFFICIAL = {'audio': 'audio', 'visual': 'video', 'joint': 'av'}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    from projects.uavm.uavm.analysis.command_line import add_data_args, figure_parser
    parser = figure_parser(__doc__, EXAMPLES, 'figures/uavm')
    add_data_args(parser)
    parser.add_argument('--pre-norm', action='store_true',
                        help='maps as the blocks use them; the published ones leave out the norm before the attention')
    parser.add_argument('--clips', type=int, default=0, help='first clips to draw (default: 0)')
    parser.add_argument('--pictures', help='folder of pictures of the clips, <clip>_audio.png and <clip>_video.png')
    parser.add_argument('--save', type=int, default=0, help='first clips whose maps are saved (default: 0)')
    return parser.parse_args(argv)


class FirstMaps:
    """The maps of the first clips of a stream, in arrays ``(N, H, T, T)``."""

    def __init__(self, count: int):
        self.count, self.seen = count, 0
        self.maps: dict[str, list[np.ndarray]] = defaultdict(list)

    def watch(self, batches: Iterable[Mapping]) -> Iterator[Mapping]:
        """Pass the batches on."""
        for batch in batches:
            wanted = self.count - self.seen
            for name, values in batch.items() if wanted > 0 else ():
                # A copy: a view would keep the maps of the whole batch.
                self.maps[name].append(values[:wanted].float().cpu().numpy().copy())
            self.seen += len(next(iter(batch.values())))
            yield batch

    def arrays(self) -> dict[str, np.ndarray]:
        """``{name: (N, H, T, T)}``."""
        return {name: np.concatenate(parts) for name, parts in self.maps.items()}


def save_maps(folder: Path, arrays: dict[str, np.ndarray], count: int) -> None:
    """Write ``<modality>_attmap_<block>.npy``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        modality, _, block = name.partition('.')
        np.save(folder / f'{OFFICIAL[modality]}_attmap_{block}.npy', values[:count])


def images_of(arrays: dict[str, np.ndarray], clip: int) -> tuple[np.ndarray, ...]:
    """Pictures of the last block in one clip: of audio and of video, or of both together."""
    import torch

    from projects.uavm.uavm.analysis import attention_image
    sides = ('joint', ) if any(name.startswith('joint.') for name in arrays) else ('audio', 'visual')
    last = {m: max(int(name.partition('.')[2]) for name in arrays if name.startswith(f'{m}.')) for m in sides}
    return tuple(attention_image(torch.from_numpy(arrays[f'{m}.{last[m]}'][clip])).numpy() for m in sides)


def clip_names(loader, count: int) -> list[str]:
    """Names of the first clips."""
    samples = (str(s.get('sample_id', '')) for batch in loader for s in batch['data_samples'])
    return list(islice(samples, count))


def read_picture(folder: str | None, name: str) -> np.ndarray | None:
    """A png file as an array; None if there is none."""
    path = Path(folder, f'{name}.png') if folder else None
    if path is None or not path.is_file():
        return None
    from PIL import Image
    return np.asarray(Image.open(path).convert('RGB'))


def draw_clips(out: Path, args: argparse.Namespace, names: list[str], maps: dict[str, dict]) -> None:
    """A picture for each clip: attention over both modalities on top, then the other runs."""
    from avmm.visualization.style import save_figure
    from projects.uavm.uavm.analysis import drawing
    order = sorted(maps, key=lambda label: not any(name.startswith('joint.') for name in maps[label]))
    for clip, name in enumerate(track(names, 'drawing')):
        pictures = [read_picture(args.pictures, f'{name}_{side}') for side in ('audio', 'video')]
        figure = drawing.clip_figure(name, {label: images_of(maps[label], clip) for label in order},
                                     pictures if any(p is not None for p in pictures) else ())
        save_figure(figure, out / f'figure_5_{re.sub(r"[^-.0-9A-Za-z_]", "_", name)}.{args.format}', dpi=300)
    print(f'{len(names)} pictures: {out}')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    from avmm.visualization.style import save_figure
    from projects.uavm.uavm.analysis import attention_of, drawing, group_runs, mean_differences, usual
    from projects.uavm.uavm.analysis.command_line import loader_of, runs_of, write_table
    groups = group_runs(runs_of(args), args.repeats)
    out, rows, names = Path(args.out_dir), [], []
    by_depth: dict[int, list[float]] = defaultdict(list)
    maps: dict[str, dict[str, np.ndarray]] = {}
    width = usual([s for s in groups if s.shared_depth], lambda s: s.shared_channels, 1024)
    for setting, runs in groups.items():
        for number, run in enumerate(runs):
            loader, count = loader_of(run, args)
            first = FirstMaps(min(max(args.clips if number == 0 else 0, args.save), count))
            batches = attention_of(run.load(device, args.trust_checkpoint), track(loader, run.name), args.pre_norm)
            found = mean_differences(first.watch(batches))
            if found:
                rows.append([run.name, *found.values()])
                print(f'{run.name}: {count} clips, mean difference of the blocks '
                      + ', '.join(f'{value:.4f}' for value in found.values()))
            # The picture compares numbers of shared blocks at one width.
            if setting.type == 'UAVM' and (setting.shared_channels == width or not setting.shared_depth):
                by_depth[setting.shared_depth].append(list(found.values())[-1])
            if args.save:
                save_maps(out / 'attmap' / run.name, first.arrays(), args.save)
            if args.clips and number == 0:
                maps[setting.label] = first.arrays()
                names = names or clip_names(loader, args.clips)
    if rows:
        header = ['run', *(f'block {i}' for i in range(max(map(len, rows)) - 1))]
        print(f'table: {write_table(out / "attention_difference.csv", header, rows)}')
    figure = drawing.difference_figure(by_depth)
    print(f'picture: {save_figure(figure, out / f"figure_5_difference.{args.format}")}')
    if maps:
        draw_clips(out, args, names, maps)


if __name__ == '__main__':
    run_cli(main)
