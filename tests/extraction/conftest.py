from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def toys(tmp_path) -> Callable[..., Path]:
    """Make a folder of toy clips: ``name=content`` each, beside ``count`` plain ones: c00 of a byte, c01 of two."""

    def make(count: int = 0, folder: str = 'media', **named: bytes) -> Path:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for i in range(count):
            (place / f'c{i:02d}.mp4').write_bytes(bytes([i]) * (i + 1))
        for name, content in named.items():
            (place / f'{name}.mp4').write_bytes(content)
        return place

    return make
