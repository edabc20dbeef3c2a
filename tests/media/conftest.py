"""Videos for tests."""
from __future__ import annotations

import pytest

from avmm.testing import write_avi


@pytest.fixture
def make_avi():
    """``make_avi(path, frames, audio, rate, size)`` writes a small video and returns its path."""
    return write_avi
