"""Pictures of events on a time line: what is true, what a model says of each segment, and where it looks."""
from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError, DataError
from avmm.utils.tooling import add_config_args, add_device_args, build_loader, config_from, pick_device, tool_parser

if TYPE_CHECKING:
    from avmm.structures import AVDataSample

EXAMPLES = """
python tools/analysis_tools/event_timeline.py CONFIG CHECKPOINT --num 12
python tools/analysis_tools/event_timeline.py CONFIG CHECKPOINT --ids 5jZVnGGHgMQ --video-root videos --frames 16
python tools/analysis_tools/event_timeline.py CONFIG CHECKPOINT --worst --out pictures
"""
_SIDE = 224


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'required')
    parser.add_argument('--split', default='test', help='split to draw (default: test)')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument('--ids', nargs='+', metavar='ID', help='draw these videos')
    chosen.add_argument('--worst', action='store_true', help='draw the videos with the fewest right segments')
    parser.add_argument('--num', type=int, default=8, help='videos to draw without --ids (default: 8)')
    parser.add_argument('--seconds', type=float, default=1.0, help='length of a segment in seconds (default: 1)')
    parser.add_argument('--video-root', help='folder with <id>.mp4, over whose frames attention is laid')
    parser.add_argument('--frames', type=int, default=0, metavar='K',
                        help='also write K frames a segment with their attention into <out>/<id>/ (default: none)')
    parser.add_argument('--published-colours', action='store_true',
                        help='jet colours, 0.2 heat + 0.6 frame, as published (default: colours that keep the frame '
                        'bright and suit any kind of colour vision)')
    add_device_args(parser)
    parser.add_argument('--out', help='folder of the pictures (default: timelines/<config>_<split>)')
    args = parser.parse_args(argv)
    if args.num < 1:
        raise ConfigError(f'--num {args.num}: must be at least 1')
    if args.seconds <= 0:
        raise ConfigError(f'--seconds {args.seconds:g}: must be above 0')
    if args.frames < 0 or (args.frames and not args.video_root):
        raise ConfigError(f'--frames {args.frames}: must be at least 0, and needs --video-root')
    if args.video_root and not Path(args.video_root).is_dir():
        raise ConfigError(f'--video-root {args.video_root}: no such folder')
    return args


def predictions(args: argparse.Namespace, model, loader) -> Iterator[AVDataSample]:
    """Samples with their predictions; of ``--ids``, only the batches that hold one, until all are found."""
    import torch
    wanted = set(args.ids or ())
    for batch in track(loader, 'predicting'):
        ids = {str(sample.get('sample_id')) for sample in batch['data_samples']}
        if args.ids and not wanted & ids:
            continue
        with torch.no_grad():
            yield from model.test_step(batch)
        wanted -= ids
        if args.ids and not wanted:
            return


def pick(args: argparse.Namespace, samples: Iterator[AVDataSample]) -> list[AVDataSample]:
    """The samples to draw.

    Raises:
        ConfigError: If the model predicts no segments.
        DataError: If an id is not in the split.
    """
    kept: dict[str, AVDataSample] = {}
    for sample in samples:
        if 'pred_segments' not in sample:
            raise ConfigError(f'{args.config}: its model predicts no segments; only event localisers have a time line')
        name = str(sample.get('sample_id'))
        if args.ids is None or name in args.ids:
            kept.setdefault(name, sample)
        if args.ids is None and not args.worst and len(kept) == args.num:
            break
    lost = [name for name in args.ids or () if name not in kept]
    if lost:
        raise DataError(f'--ids {lost[0]}: the {args.split} split has no such video')
    if args.ids:
        return [kept[name] for name in dict.fromkeys(args.ids)]
    rows = list(kept.values())
    return sorted(rows, key=right_segments)[:args.num] if args.worst else rows


def right_segments(sample: AVDataSample) -> int:
    """Number of segments with the right class; 0 where that is not known."""
    truth = sample.get('gt_segments')
    return 0 if truth is None else int((np.asarray(truth) == sample.pred_segments.cpu().numpy()).sum())


class Pictures:
    """Pictures of where the model looks in the segments of a video, over its frames if there is a file of it.

    Args:
        args: The command line.
        out: Folder of ``--frames``.
    """

    def __init__(self, args: argparse.Namespace, out: Path):
        from avmm.visualization.attention_overlay import PUBLISHED_BLEND
        self.root, self.frames, self.out = args.video_root, args.frames, out
        self.style = dict(colours='jet', blend=PUBLISHED_BLEND) if args.published_colours else {}
        self.without_video = 0

    def __call__(self, sample: AVDataSample, file_name: str) -> tuple[np.ndarray | None, str]:
        """RGB ``(S, H, W, 3)``, or None, and what they show."""
        from avmm.visualization.attention_overlay import colour_maps, resize_maps, segment_frames, stretch_maps
        maps = (sample.get('attention') or {}).get('spatial')
        maps = None if maps is None else maps.float().cpu().numpy()
        size = len(sample.pred_segments)
        video = self.open(sample)
        if video is None:
            if maps is None:
                return None, ''
            return colour_maps(resize_maps(stretch_maps(maps), (_SIDE, _SIDE)),
                               self.style.get('colours', 'inferno')), 'attention'
        if len(video) < size:
            raise DataError(f'{video.path}: {len(video)} frames are too few for {size} segments')
        if self.frames:
            for segment, numbers in enumerate(segment_frames(len(video), size, self.frames)):
                whole = None if maps is None else np.broadcast_to(maps[segment], (self.frames, *maps.shape[1:]))
                self.write(self.shown(video, numbers, whole), self.out / file_name, segment * self.frames)
        middle = segment_frames(len(video), size, 2)[:, 1]
        return self.shown(video, middle, maps), 'frames' if maps is None else 'attention'

    def open(self, sample: AVDataSample):
        """The video of a sample; None without a folder of videos, or without its file."""
        if self.root is None:
            return None
        from avmm.media import VideoFrames
        from avmm.utils.paths import checked_path
        path = checked_path(f'{sample.get("sample_id")}.mp4', self.root)
        if not path.is_file():
            self.without_video += 1
            return None
        return VideoFrames(path)

    def shown(self, video, numbers: np.ndarray, maps: np.ndarray | None) -> np.ndarray:
        """Frames with their attention, RGB ``(N, H, W, 3)``."""
        from avmm.visualization.attention_overlay import overlay, resize_frames
        frames = resize_frames(video.get(numbers), (_SIDE, _SIDE))
        return frames if maps is None else overlay(frames, maps, **self.style)

    def write(self, frames: np.ndarray, folder: Path, first: int) -> None:
        """Write frames as jpg files that are numbered from ``first``."""
        from PIL import Image
        folder.mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(frames, first):
            Image.fromarray(frame).save(folder / f'{i:04d}.jpg', quality=92)


def draw(args: argparse.Namespace, samples: list[AVDataSample], classes: list[str], out: Path) -> Pictures:
    """Write a picture of each sample."""
    from avmm.visualization.style import save_figure
    from avmm.visualization.timeline import sample_timeline
    pictures = Pictures(args, out)
    for sample in track(samples, 'drawing'):
        file_name = re.sub(r'[^\w.-]', '_', str(sample.get('sample_id')))
        shown, what = pictures(sample, file_name)
        figure = sample_timeline(sample, classes, shown, what, args.seconds)
        save_figure(figure, out / f'{file_name}.png')
    return pictures


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    loader = build_loader(cfg, args.split, args.seed)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    model.with_attention = True
    out = Path(args.out or Path('timelines') / f'{Path(args.config).stem}_{args.split}')
    samples = pick(args, predictions(args, model, loader))
    classes = list((getattr(loader.dataset, 'metainfo', None) or {}).get('classes') or ())
    pictures = draw(args, samples, classes, out)
    rest = f'; {pictures.without_video} have no video in {args.video_root}' if pictures.without_video else ''
    print(f'{len(samples)} pictures: {out}{rest}')


if __name__ == '__main__':
    run_cli(main)
