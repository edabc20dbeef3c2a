"""Make videos of clips of a data set, to have something to drop on the page of the demo."""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import REPO_ROOT, SPLITS, build_dataset, config_from, tool_parser

EXAMPLES = """
python tools/demo/sample_videos.py                               # five clips of AV-Digits into sample_videos
python tools/demo/sample_videos.py configs/audio_visual_classification/resnet18_concat_1xb64-100e_cremad.py --num 20
"""
QUICKSTART = REPO_ROOT / 'configs' / 'quickstart' / 'av_digits.py'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('config', nargs='?', default=str(QUICKSTART), help='config with a data set of sounds and '
                        'images (default: the quickstart, whose data set is made if it is not there)')
    parser.add_argument('--out', default='sample_videos', metavar='DIR', help='folder to make (%(default)s)')
    parser.add_argument('--num', type=int, default=5, help='clips to take, the classes in turn (%(default)s)')
    parser.add_argument('--split', choices=SPLITS, default='test', help='split to take them from (default: test)')
    args = parser.parse_args(argv)
    if args.num < 1:
        raise ConfigError(f'--num {args.num}: must be at least 1')
    args.cfg_options = {}
    return args


def choose(labels: np.ndarray, count: int) -> list[int]:
    """Indices of ``count`` clips, the classes in turn."""
    rank = np.zeros(len(labels), int)
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    return np.lexsort((labels, rank))[:count].tolist()


def read_clip(info: dict) -> tuple[list[np.ndarray], np.ndarray, int]:
    """Frames of even sides ``(H, W, 3)``, sound ``(channels, L)``, and its rate in Hz."""
    from avmm.datasets.transforms.loading_frames import list_frames
    from avmm.media import read_audio, read_image_array
    paths = info['frame_paths'] if 'frame_paths' in info else list_frames(info['frame_dir'])
    frames = [read_image_array(path) for path in paths]
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    return [frame[:height, :width] for frame in frames], *read_audio(info['audio_path'])


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = config_from(args, with_data=True)
    from avmm.datasets import AVClipDataset
    from avmm.media import write_video
    data = build_dataset(cfg, args.split)
    if not isinstance(data, AVClipDataset) or 'video_path' in data.layout:
        raise ConfigError(f'{args.config}: its data set does not consist of sounds and images')
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = choose(data.labels, args.num)
    for index in track(chosen, 'videos'):
        info = data.get_data_info(index)
        frames, sound, rate = read_clip(info)
        label = re.sub(r'\W+', '_', str(data.classes[info['gt_label']]))
        seconds = sound.shape[1] / rate
        # A single image stands still for the length of the sound, at a rate that every player knows.
        fps = max(1.0, len(frames) / seconds)
        frames = frames * max(1, round(fps * seconds / len(frames)))
        write_video(out / f'{info["sample_id"]}_{label}.mp4', frames, fps, sound, rate)
    print(f'{out}: {len(chosen)} videos; the last word of a name is the class')


if __name__ == '__main__':
    run_cli(main)
