"""Frames of a video file."""
from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from avmm.media.packets import PacketIndex, read_index
from avmm.media.pyav_frames import PyAVFrames
from avmm.utils import ConfigError, DataError, MissingDependencyError, optional_import


class _DecordFrames:
    """Decord, which decodes only what it is asked for, with its own seeking."""

    def __init__(self, path: str, index: PacketIndex, num_threads: int):
        self._decord = optional_import('decord', 'video')
        try:
            self._reader = self._decord.VideoReader(path, num_threads=num_threads)
        except self._decord.DECORDError as error:
            raise RuntimeError(str(error)) from None
        if len(self._reader) != len(index.times):
            raise RuntimeError(f'{len(self._reader)} frames, {len(index.times)} packets')

    def decode(self, indices: np.ndarray) -> np.ndarray:
        try:
            return self._reader.get_batch(indices.tolist()).asnumpy()
        except self._decord.DECORDError as error:
            raise RuntimeError(str(error)) from None


class _TorchcodecFrames:
    """Torchcodec, with a scan of the file for exact seeking."""

    def __init__(self, path: str, index: PacketIndex, num_threads: int):
        decoders = importlib.import_module('torchcodec.decoders')
        self._decoder = decoders.VideoDecoder(path, dimension_order='NHWC', num_ffmpeg_threads=num_threads)
        # It goes by time stamps alone.
        if len(self._decoder) != len(index.times) or index.counted:
            raise RuntimeError(f'{len(self._decoder)} frames, {len(index.times)} packets')

    def decode(self, indices: np.ndarray) -> np.ndarray:
        return self._decoder.get_frames_at(indices.tolist()).data.numpy()


_BACKENDS = {'decord': _DecordFrames, 'pyav': PyAVFrames, 'torchcodec': _TorchcodecFrames}
#: Names of the decoders of frames.
BACKENDS = tuple(_BACKENDS)


class VideoFrames:
    """An opened video, of which single frames are decoded on demand.

    All backends give the same frames at the same indices and times. What decord or torchcodec cannot do (frames that
    the file hides or turns, a container without time stamps, a broken packet before a good key frame), PyAV does.

    Args:
        path: The video file.
        num_threads: Threads of the decoder.
        backend: ``'decord'`` (PyAV where it has no wheel), ``'pyav'``, or ``'torchcodec'``, which has to be installed.

    Attributes:
        path: The file.
        times: When each frame is shown, float64 ``(N,)``, s after the beginning of the file: its earliest track,
            picture or sound.

    Raises:
        NoPictureError: If the file has sound alone.
        DataError: If the file is missing, empty, truncated, or not a video.
        MissingDependencyError: If torchcodec is asked for and not there.
    """

    def __init__(self, path: str | os.PathLike, num_threads: int = 1, backend: str = 'decord'):
        if backend not in _BACKENDS:
            raise ConfigError(f'{backend!r} is no decoder of frames; use one of {", ".join(BACKENDS)}')
        if backend == 'torchcodec':
            _check_torchcodec()
        self.path, self.backend = os.fspath(path), backend
        self._num_threads = num_threads
        self._index = read_index(path)
        self.times = self._index.times
        self._given_up = backend == 'pyav' or not self._index.plain

    def __len__(self) -> int:
        return len(self.times)

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return self._index.fps

    @property
    def duration(self) -> float:
        """Length of the picture in s, from its first frame to the end of its last."""
        return self._index.end - float(self.times[0])

    def get(self, indices: Sequence[int]) -> np.ndarray:
        """Decode the frames at ``indices``, in any order, also repeatedly: uint8 RGB ``(N, H, W, 3)``.

        Raises:
            DataError: If there is no such frame, or it cannot be decoded.
        """
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if not len(wanted) or wanted.min() < 0 or wanted.max() >= len(self):
            asked = ', '.join(str(i) for i in wanted)
            raise DataError(f'{self.path}: frames {asked} of {len(self)} cannot be decoded')
        different, places = np.unique(wanted, return_inverse=True)
        frames = self._decode(different)
        return frames if len(places) == len(different) and (places[1:] > places[:-1]).all() else frames[places]

    def at(self, times: Sequence[float]) -> np.ndarray:
        """Decode the frames that are shown at ``times``, s: uint8 RGB ``(N, H, W, 3)``.

        Before the first frame the first counts, after the last one the last.
        """
        return self.get(self.index_at(times))

    def index_at(self, times: Sequence[float]) -> np.ndarray:
        """Indices ``(N,)`` of the frames that are shown at ``times``, s."""
        # Containers round to milliseconds: i / fps shall not fall before the frame i for that.
        places = np.searchsorted(self.times, np.asarray(times, np.float64) + 6e-4, side='right') - 1
        return np.clip(places, 0, len(self) - 1)

    def _decode(self, indices: np.ndarray) -> np.ndarray:
        if not self._given_up:
            try:
                return self._reader.decode(indices)
            except (RuntimeError, IndexError, ValueError, ImportError):
                self._given_up = True
        return self._fallback.decode(indices)

    @cached_property
    def _reader(self):
        return _BACKENDS[self.backend](self.path, self._index, self._num_threads)

    @cached_property
    def _fallback(self) -> PyAVFrames:
        return PyAVFrames(self.path, self._index, self._num_threads)


def open_video(path: str | os.PathLike, backend: str = 'decord', num_threads: int = 1) -> VideoFrames:
    """Open a video by the decoder ``backend``; see :class:`VideoFrames`."""
    return VideoFrames(path, num_threads, backend)


def _check_torchcodec() -> None:
    try:
        importlib.import_module('torchcodec.decoders')
    except (ImportError, RuntimeError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MissingDependencyError(f'torchcodec cannot be loaded ({reason}); install the release for this torch, '
                                     'and the shared libraries of FFmpeg, or choose decord or pyav') from None
