"""How long an answer takes: until the first one, for each further file, and how much of that is the reading."""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

STARTED = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

EXAMPLES = """Examples:
  python benchmarks/inference.py av_digits
  python benchmarks/inference.py resnet18_concat_1xb64-100e_kinetics_sounds --video clip.mp4 --clips 32
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config or name of a model; its weights are fresh')
    parser.add_argument('--video', help='the video to ask about (default: ten seconds of noise, 320 x 240, are made)')
    parser.add_argument('--clips', type=int, default=16, help='how often it is asked about (%(default)s)')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (%(default)s)')
    parser.add_argument('--threads', type=int, default=1, help='threads of torch (%(default)s)')
    parser.add_argument('--workers', type=int, default=1, help='threads that read ahead in the batch (%(default)s)')
    return parser.parse_args()


def made_video(folder: str) -> str:
    """Ten seconds of moving noise and of sound."""
    import numpy as np

    from avmm.media import write_video
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (250, 30, 40, 3), np.uint8)
    frames = small.repeat(8, 1).repeat(8, 2)
    path = os.path.join(folder, 'clip.mp4')
    write_video(path, frames, 25, rng.uniform(-0.5, 0.5, 441000).astype('f4'), 44100)
    return path


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    from avmm.apis import init_inferencer
    imported = time.perf_counter()
    inferencer = init_inferencer(args.config, device=args.device, workers=args.workers)
    built = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        video = args.video or made_video(folder)
        before = time.perf_counter()
        inferencer(video)
        first = time.perf_counter() - before
        alone, reading = [], []
        for _ in range(args.clips):
            before = time.perf_counter()
            inferencer.prepare(video)
            reading.append(time.perf_counter() - before)
            before = time.perf_counter()
            inferencer(video)
            alone.append(time.perf_counter() - before)
        before = time.perf_counter()
        inferencer([video] * args.clips, batch_size=8)
        together = (time.perf_counter() - before) / args.clips
    print(f'{args.config}, {args.device}, {args.threads} threads of torch')
    print(f'imports                    {imported - STARTED:8.3f} s')
    print(f'config and model           {built - imported:8.3f} s')
    print(f'first answer               {first:8.3f} s')
    each = statistics.median(alone)
    print(f'further file, alone        {each:8.4f} s  ({1 / each:.1f} files/s)')
    print(f'  of which reading it      {statistics.median(reading):8.4f} s')
    print(f'further file, batches of 8 {together:8.4f} s  ({1 / together:.1f} files/s)')


if __name__ == '__main__':
    main()
