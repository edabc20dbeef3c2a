"""Make clips of the size and form of CREMA-D, to time data pipelines where the data set itself is not at hand."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import tool_parser

EXAMPLES = """
python benchmarks/make_clips.py --out data/bench_clips
python benchmarks/make_clips.py --out /tmp/clips --clips 64
"""
#: CREMA-D: 16 kHz mono sound of about 2.5 s, frames of 480 x 360 pixels.
SAMPLE_RATE, SECONDS, SIZE = 16000, (1.5, 3.5), (360, 480)


def picture(rng: np.random.Generator) -> np.ndarray:
    """A smooth coloured picture with some grain, which a jpg stores in about as many bytes as a real frame."""
    from PIL import Image
    coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-6, 7, (*SIZE, 1)), 0, 255).astype(np.uint8)


def sound(rng: np.random.Generator) -> np.ndarray:
    """A few gliding tones in noise, as long as a spoken sentence."""
    time = np.arange(int(rng.uniform(*SECONDS) * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * (rng.uniform(80, 3000) * time + rng.uniform(-99, 99) * time ** 2))
                for _ in range(4))
    return 0.15 * tones + 0.02 * rng.standard_normal(len(time))


def main(argv: list[str] | None = None) -> None:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out', required=True, help='folder to make')
    parser.add_argument('--clips', type=int, default=256, help='number of clips (default: 256)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the content (default: 0)')
    args = parser.parse_args(argv)
    out = Path(args.out)
    if out.exists():
        raise ConfigError(f'{out} is there already; remove it or choose another folder')
    import soundfile
    from PIL import Image
    for part in ('audio', 'frames'):
        (out / part).mkdir(parents=True)
    rng = np.random.default_rng(args.seed)
    for i in track(range(args.clips), 'making clips'):
        soundfile.write(out / 'audio' / f'{i:05d}.wav', sound(rng), SAMPLE_RATE)
        Image.fromarray(picture(rng)).save(out / 'frames' / f'{i:05d}.jpg', quality=90)
    (out / 'clips.csv').write_text(''.join(f'{i:05d},{i % 6}\n' for i in range(args.clips)))
    print(f'{args.clips} clips: {out}')


if __name__ == '__main__':
    run_cli(main)
