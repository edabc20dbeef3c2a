"""Small data sets on disk."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image


@pytest.fixture
def write_clip():
    """``write_clip(wav=path, image=path, folder=path, ...)`` writes the files of one clip."""

    def write(wav: Path | None = None, image: Path | None = None, folder: Path | None = None, rate: int = 16000,
              seconds: float = 0.2, frames: int = 4, size: tuple[int, int] = (48, 32), seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        targets = [] if image is None else [image]
        if folder is not None:
            targets += [folder / f'frame_{i}.jpg' for i in range(frames)]
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
            small.resize(size, Image.Resampling.BICUBIC).save(path)
        if wav is not None:
            wav.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(wav, rng.uniform(-0.5, 0.5, int(rate * seconds)), rate)

    return write


@pytest.fixture
def clips(tmp_path, write_clip):
    """A data set of 20 clips of cats and 10 of dogs: its root, with ``list.csv``, ``audio/`` and ``video/``."""
    rows = []
    for i in range(30):
        write_clip(wav=tmp_path / 'audio' / f'clip_{i:02d}.wav', folder=tmp_path / 'video' / f'clip_{i:02d}', seed=i)
        rows.append(f'clip_{i:02d},{"dog" if i % 3 == 0 else "cat"}\n')
    (tmp_path / 'list.csv').write_text(''.join(rows))
    return tmp_path


@pytest.fixture
def official_list(tmp_path):
    """``official_list(relative path, lines)``: the published list if ``AVMM_REAL_DATA`` has it, else one of ``lines``.

    It returns the folder of the list, its name, and whether it is the published one.
    """

    def find(relative: str, lines: list[str]) -> tuple[Path, str, bool]:
        real = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'data' / relative
        if real.is_file():
            return real.parent, real.name, True
        (tmp_path / real.name).write_text('\n'.join(lines) + '\n')
        return tmp_path, real.name, False

    return find
