from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avmm.extraction import Media
from avmm.media import write_video


@pytest.fixture
def clip(tmp_path):
    """``clip(seconds, fps, sound_seconds, size)`` writes a lossless video: frame ``i`` is of red ``i``, green
    ``255 - i`` and blue 7; returns its path."""

    def write(seconds: float = 2.0, fps: int = 25, sound_seconds: float | None = None,
              size: tuple[int, int] = (48, 64)) -> Path:
        frames = np.zeros((round(seconds * fps), *size, 3), np.uint8)
        frames[..., 0] = (np.arange(len(frames)) % 256)[:, None, None]
        frames[..., 1] = 255 - frames[..., 0]
        frames[..., 2] = 7
        length = round(16000 * (seconds if sound_seconds is None else sound_seconds))
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, length) if length else None
        write_video(tmp_path / 'clip.mkv', frames, fps, sound, 16000, form='lossless')
        return tmp_path / 'clip.mkv'

    return write


@pytest.fixture
def media(clip):
    """``media(start, duration, **clip)``: a clip of such a video."""
    return lambda start=0.0, duration=None, **options: Media(clip(**options), start, duration)
