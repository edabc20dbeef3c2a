"""Frames of a video file."""
from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from avmm.media.check import check_file
from avmm.utils import DataError, optional_import


class VideoFrames:
    """An opened video, of which single frames are decoded on demand.

    Args:
        path: The video file.
        num_threads: Threads of the decoder.

    Raises:
        DataError: If the file is missing, empty, truncated, or not a video.
    """

    def __init__(self, path: str | os.PathLike, num_threads: int = 1):
        check_file(path)
        self.path = os.fspath(path)
        self._decord = optional_import('decord', 'video')
        try:
            self._reader = self._decord.VideoReader(self.path, num_threads=num_threads)
        except (RuntimeError, self._decord.DECORDError):
            raise DataError(f'{path}: not a readable video file') from None
        if len(self._reader) == 0:
            raise DataError(f'{path}: the video holds no frames')

    def __len__(self) -> int:
        return len(self._reader)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return float(self._reader.get_avg_fps())

    def get(self, indices: Sequence[int]) -> np.ndarray:
        """Decode the frames at ``indices``: uint8 RGB ``(N, H, W, 3)``.

        Raises:
            DataError: If a frame cannot be decoded.
        """
        try:
            return self._reader.get_batch([int(i) for i in indices]).asnumpy()
        except (RuntimeError, IndexError, self._decord.DECORDError):
            asked = ', '.join(str(int(i)) for i in indices)
            raise DataError(f'{self.path}: frames {asked} of {len(self)} cannot be decoded') from None
