"""Make AV-Digits: handwritten digits and spoken digits, a real audio-visual data set in under a minute.

The pictures are the 1797 scanned digits that ship with scikit-learn; the sounds are the digits' names, spoken by
espeak-ng. Every clip shows a scan in a few slightly moved frames and says its name with noise around it::

    data/av_digits/
        train.csv  test.csv                         one line a clip: clip id,label
        meta.json                                   options, sizes and a fingerprint of the decoded content
        {train,test}/video/<label>/<clip id>/frame_<i>.jpg
        {train,test}/audio/<label>/<clip id>.wav    mono, 22,050 Hz, 16 bits

Every fifth scan of a digit is a test clip: the two splits share no scan, and no voice setting either (even pitches
in train, odd ones in test).
"""
from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from avmm.utils import ConfigError, DataError, optional_import  # noqa: E402
from avmm.utils.cli import run_cli, track  # noqa: E402
from avmm.utils.embedded import build_folder  # noqa: E402

NAME = 'AV-Digits'
WORDS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
ACCENTS = ('en', 'en-us', 'en-gb-scotland', 'en-029', 'en-gb-x-rp', 'en-gb-x-gbclan', 'en-gb-x-gbcwmd')
SPEAKERS = ('m1', 'm2', 'm3', 'm4', 'm7', 'f1', 'f2', 'f3', 'f4', 'f5', 'croak')
SCANS, SAMPLE_RATE, FRAME_SIZE, TEST_EVERY = 1797, 22050, 64, 5
BLOCK = 64  # clips that one process of espeak-ng speaks; part of what decides the sounds, as its voice has a memory
SMALLEST = TEST_EVERY * len(WORDS)


@dataclass(frozen=True)
class Options:
    """What decides the content of the data set.

    Attributes:
        clips: Number of clips, classes in turn.
        frames: Frames a clip.
        seconds: Length of a sound (s).
        audio_snr: Power of the word over the power of the white noise around it (dB).
        visual_noise: Standard deviation of the noise of a pixel, as a share of the range from black to white.
        seed: Seed of every random choice.
    """
    clips: int = SCANS
    frames: int = 3
    seconds: float = 1.0
    audio_snr: float = 10.0
    visual_noise: float = 0.05
    seed: int = 0

    def check(self) -> None:
        """Raise :class:`ConfigError` for a value that makes no data set."""
        if not SMALLEST <= self.clips <= SCANS:
            raise ConfigError(f'--clips {self.clips}: choose {SMALLEST} (one test clip a digit) to {SCANS}')
        if not 1 <= self.frames <= 100:
            raise ConfigError(f'--frames {self.frames}: choose 1 to 100')
        if not 0.3 <= self.seconds <= 10:
            raise ConfigError(f'--seconds {self.seconds}: choose 0.3 (shorter cuts the words) to 10')
        if not math.isfinite(self.audio_snr):
            raise ConfigError(f'--audio-snr {self.audio_snr}: give a number of dB, for example 0')
        if not 0 <= self.visual_noise <= 2:
            raise ConfigError(f'--visual-noise {self.visual_noise}: choose 0 (none) to 2')
        if self.seed < 0:
            raise ConfigError(f'--seed {self.seed}: choose 0 or more')


@dataclass(frozen=True)
class Clip:
    """One clip: the number of its scan, its digit, its split."""
    index: int
    label: int
    split: str

    @property
    def name(self) -> str:
        return f'digit_{self.index:04d}'

    def rng(self, seed: int, use: int) -> np.random.Generator:
        """A generator of its own for each ``use``, so that a sound option never changes a picture."""
        return np.random.default_rng((seed, self.index, use))

    def request(self, seed: int) -> dict:
        """Who says the word, how fast (words a minute) and how high (0 to 99)."""
        rng = self.rng(seed, 0)
        pitch = 2 * int(rng.integers(10, 45)) + (self.split == 'test')
        return dict(text=WORDS[self.label], voice=f'{rng.choice(ACCENTS)}+{rng.choice(SPEAKERS)}',
                    rate=int(rng.integers(140, 221)), pitch=pitch)


def list_clips(labels: np.ndarray, count: int) -> list[Clip]:
    """The first ``count`` clips, the digits in turn; every fifth scan of a digit goes to the test split."""
    rank = np.empty(len(labels), dtype=int)
    for label in range(len(WORDS)):
        where = np.flatnonzero(labels == label)
        rank[where] = np.arange(len(where))
    order = np.lexsort((labels, rank))[:count]
    return [Clip(int(i), int(labels[i]), 'test' if rank[i] % TEST_EVERY == TEST_EVERY - 1 else 'train')
            for i in order]


def speak(requests: list[dict]) -> list[np.ndarray]:
    """Samples in [-1, 1] of each requested word, from espeak-ng in a process of its own.

    Raises:
        DataError: If espeak-ng fails.
    """
    server = Path(__file__).with_name('espeak_server.py')
    done = subprocess.run([sys.executable, str(server)], input=json.dumps(requests).encode(), capture_output=True)
    if done.returncode != 0:
        reason = done.stderr.decode(errors='replace').strip().splitlines()
        raise DataError(f'espeak-ng failed: {reason[-1] if reason else f"status {done.returncode}"}')
    head, _, body = done.stdout.partition(b'\n')
    header = json.loads(head)
    if header['sample_rate'] != SAMPLE_RATE:
        raise DataError(f'espeak-ng speaks at {header["sample_rate"]} Hz, {SAMPLE_RATE} expected')
    samples = np.frombuffer(body, np.int16).astype(np.float32) / 32768
    return np.split(samples, np.cumsum(header['samples'])[:-1])


def make_sound(word: np.ndarray, options: Options, rng: np.random.Generator) -> np.ndarray:
    """Put ``word`` somewhere into white noise.

    Args:
        word: Samples ``(L,)`` in [-1, 1].
        options: Length and signal-to-noise ratio.
        rng: Draws the place and the noise.

    Returns:
        16-bit samples ``(seconds * 22050,)``.
    """
    loud = np.flatnonzero(np.abs(word) > 0.01 * np.abs(word).max())
    length = round(options.seconds * SAMPLE_RATE)
    word = word[loud[0]:loud[-1] + 1][:length]
    word = word / np.sqrt(np.mean(word**2))
    sound = rng.standard_normal(length, dtype=np.float32) * np.float32(10**(-options.audio_snr / 20))
    start = int(rng.integers(0, length - len(word) + 1))
    sound[start:start + len(word)] += word
    sound *= 0.1 / np.sqrt(np.mean(sound**2))
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def make_frames(scan: np.ndarray, options: Options, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw ``scan`` large, and in each frame a little moved.

    Args:
        scan: Ink of the digit ``(8, 8)``, 0 to 16.
        options: Number of frames and their noise.
        rng: Draws scale, angle, place and colours of the clip, the small moves between frames, and the noise.

    Returns:
        Frames ``(64, 64, 3)`` uint8.
    """
    from PIL import Image
    ink = Image.fromarray(np.pad(scan / 16, 2).astype(np.float32))
    paper, pen = rng.uniform(0, 0.35, 3), rng.uniform(0.65, 1, 3)
    angle, scale, shift = rng.uniform(-0.25, 0.25), rng.uniform(0.75, 1.0), rng.uniform(-6, 6, 2)
    frames = []
    for _ in range(options.frames):
        a = angle + rng.normal(0, 0.05)
        s = ink.width / FRAME_SIZE / (scale * rng.uniform(0.95, 1.05))
        x, y = FRAME_SIZE / 2 + shift + rng.normal(0, 1.0, 2)
        # Maps a pixel of the frame to a place in the scan: turn by -a around (x, y), shrink, move to the middle.
        c, d = s * math.cos(a), s * math.sin(a)
        middle = ink.width / 2
        matrix = (c, d, middle - c * x - d * y, -d, c, middle + d * x - c * y)
        drawn = ink.transform((FRAME_SIZE, FRAME_SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        share = np.clip(np.asarray(drawn), 0, 1)[..., None]
        frame = paper + (pen - paper) * share
        frame = frame + options.visual_noise * rng.standard_normal((FRAME_SIZE, FRAME_SIZE, 1))
        frames.append(np.round(np.clip(frame, 0, 1) * 255).astype(np.uint8))
    return frames


def write_clip(root: Path, clip: Clip, scan: np.ndarray, word: np.ndarray, options: Options) -> None:
    """Write the wav and the jpg files of one clip."""
    from PIL import Image
    label = str(clip.label)
    sound_file = root / clip.split / 'audio' / label / f'{clip.name}.wav'
    sound_file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(sound_file), 'wb') as out:
        out.setparams((1, 2, SAMPLE_RATE, 0, 'NONE', ''))
        out.writeframes(make_sound(word, options, clip.rng(options.seed, 1)).astype('<i2').tobytes())
    folder = root / clip.split / 'video' / label / clip.name
    folder.mkdir(parents=True)
    for i, frame in enumerate(make_frames(scan, options, clip.rng(options.seed, 2))):
        Image.fromarray(frame).save(folder / f'frame_{i}.jpg', quality=90)


def fingerprint(root: Path) -> str:
    """Digest of the lists, the samples and the decoded pixels of a data set on disk."""
    from PIL import Image
    digest = hashlib.sha256()
    for split in ('train', 'test'):
        for line in (root / f'{split}.csv').read_text().split():
            name, label = line.split(',')
            digest.update(f'{split},{line}\n'.encode())
            with wave.open(str(root / split / 'audio' / label / f'{name}.wav')) as sound:
                digest.update(sound.readframes(sound.getnframes()))
            folder = root / split / 'video' / label / name
            for i in range(len(os.listdir(folder))):
                with Image.open(folder / f'frame_{i}.jpg') as frame:
                    digest.update(np.asarray(frame).tobytes())
    return digest.hexdigest()


def fill(root: Path, options: Options, workers: int) -> dict:
    """Write the whole data set into the empty folder ``root`` and return facts for ``meta.json``."""
    from sklearn.datasets import load_digits
    digits = load_digits()
    clips = list_clips(digits.target, options.clips)

    def write_block(block: list[Clip]) -> list[Clip]:
        words = speak([clip.request(options.seed) for clip in block])
        for clip, word in zip(block, words, strict=True):
            write_clip(root, clip, digits.images[clip.index], word, options)
        return block

    blocks = [clips[i:i + BLOCK] for i in range(0, len(clips), BLOCK)]
    pool = ThreadPoolExecutor(workers)
    try:
        done = (clip for block in pool.map(write_block, blocks) for clip in block)
        for _ in track(done, NAME, total=len(clips)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    sizes = {}
    for split in ('train', 'test'):
        rows = [f'{clip.name},{clip.label}\n' for clip in clips if clip.split == split]
        (root / f'{split}.csv').write_text(''.join(rows))
        sizes[split] = len(rows)
    return dict(sizes=sizes, sample_rate=SAMPLE_RATE, frame_size=FRAME_SIZE, fingerprint=fingerprint(root))


def build(out: Path, options: Options, workers: int = 2, overwrite: bool = False) -> dict:
    """Make the data set at ``out``: the whole of it or nothing.

    Returns:
        The content of ``meta.json``.

    Raises:
        ConfigError: If an option makes no sense.
        DataError: If another data set is at ``out`` already.
    """
    options.check()
    optional_import('espeakng_loader', 'quickstart')  # pure Python: the library itself is loaded by the server alone
    return build_folder(out, NAME, asdict(options), lambda root: fill(root, options, workers), overwrite)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Examples:\n'
        '  python tools/dataset_converters/av_digits.py --out data/av_digits\n'
        '  python tools/dataset_converters/av_digits.py --out data/av_digits_hard --audio-snr -10 --visual-noise 0.5')
    defaults = Options()
    parser.add_argument('--out', type=Path, default=Path('data/av_digits'), help='folder to make (%(default)s)')
    parser.add_argument('--clips', type=int, default=defaults.clips, help='number of clips (%(default)s, all)')
    parser.add_argument('--frames', type=int, default=defaults.frames, help='frames a clip (%(default)s)')
    parser.add_argument('--seconds', type=float, default=defaults.seconds, help='length of a sound, s (%(default)s)')
    parser.add_argument('--audio-snr', type=float, default=defaults.audio_snr,
                        help='word over noise, dB: lower makes listening harder (%(default)s)')
    parser.add_argument('--visual-noise', type=float, default=defaults.visual_noise,
                        help='noise of a pixel, 0 to 2: higher makes looking harder (%(default)s)')
    parser.add_argument('--seed', type=int, default=defaults.seed, help='seed of every choice (%(default)s)')
    parser.add_argument('--workers', type=int, default=min(4, os.cpu_count() or 1), help='threads (%(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace what is at --out')
    return parser.parse_args(argv)


def main() -> None:
    args = parse_args()
    options = Options(**{name: getattr(args, name) for name in Options.__dataclass_fields__})
    # A polite kill cleans up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        meta = build(args.out, options, max(1, args.workers), args.overwrite)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f'{args.out}: {meta["sizes"]["train"]} train and {meta["sizes"]["test"]} test clips, '
          f'fingerprint {meta["fingerprint"][:12]}')


if __name__ == '__main__':
    run_cli(main)
