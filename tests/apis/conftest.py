"""Small videos, and a small model over the form of AV-Digits."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from avmm.apis import init_model
from avmm.media import write_video

REPO = Path(__file__).resolve().parents[2]
RATE = 22050


def small_digits() -> Config:
    """The quickstart with few channels."""
    cfg = Config.fromfile(str(REPO / 'configs' / 'quickstart' / 'av_digits.py'))
    cfg.merge_from_dict(dict(model=dict(encoders=dict(audio=dict(widths=(4, 8)), visual=dict(widths=(4, 8))))))
    return cfg


@pytest.fixture
def digits_cfg():
    """The quickstart with few channels."""
    return small_digits()


@pytest.fixture(scope='session')
def digits_weights(tmp_path_factory):
    """Weights of :func:`digits_cfg` that tell inputs apart."""
    path = tmp_path_factory.mktemp('weights') / 'digits.pth'
    model = init_model(small_digits(), seed=3)
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.mul_(20)
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def make_video(tmp_path):
    """``make_video(name, frames, seconds, seed, silent, form)`` writes a video with noise and returns its path."""

    def make(name: str = 'clip.mkv', frames: int = 3, seconds: float = 1.0, seed: int = 0, silent: bool = False,
             form: str = 'lossless', size: tuple[int, int] = (16, 24)) -> Path:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (frames, *size, 3), dtype=np.uint8)
        sound = None if silent else rng.uniform(-0.5, 0.5, int(RATE * seconds)).astype(np.float32)
        write_video(tmp_path / name, pixels, frames / seconds, sound, RATE, form)
        return tmp_path / name

    return make
