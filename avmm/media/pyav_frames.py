"""Frames of a video by PyAV: exact where other decoders guess."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avmm.media.packets import PacketIndex, picture_track
from avmm.utils import DataError, optional_import


class PyAVFrames:
    """Decodes single frames: from the key frame before each, unless the decoder stands between the two already.

    Args:
        path: The video file.
        index: What its packets say.
        num_threads: Threads of the decoder.

    Attributes:
        decoded: Frames decoded so far, asked for or on the way to those.
    """

    def __init__(self, path: str, index: PacketIndex, num_threads: int = 1):
        self._av = optional_import('av', 'video')
        self.path, self._index, self.decoded = path, index, 0
        self._container = self._av.open(path)
        self._track = picture_track(self._container, path)
        self._track.codec_context.thread_count = num_threads
        if num_threads > 1:
            self._track.thread_type = 'AUTO'
        self._reformatter = self._av.video.reformatter.VideoReformatter()
        # By itself it takes all cores, which costs more than it gains; early releases have no choice.
        scaling = 'threads=' in (self._reformatter.reformat.__doc__ or '')
        self._scaling = dict(threads=num_threads) if scaling else {}
        self._frames: Iterator = iter(())
        # Position of the frame that the decoder gave last; far behind everything until it begins.
        self._at = len(index.stamps)
        # The frame that was asked for last, and where it is.
        self._last: np.ndarray | None = None
        self._last_index = -1

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Frames ``(N, H, W, 3)`` at ascending, different ``indices``.

        Raises:
            DataError: If one of them, or one that it depends on, is broken.
        """
        out = None
        for row, index in enumerate(indices):
            pixels = self._frame(int(index))
            if out is None:
                out = np.empty((len(indices), *pixels.shape), np.uint8)
            out[row] = pixels
        return out

    def _frame(self, index: int) -> np.ndarray:
        if index == self._last_index:
            return self._last
        group = max(int(np.searchsorted(self._index.starts, index, side='right')) - 1, 0)
        if not self._index.starts[group] <= self._at < index:
            self._seek(group)
        try:
            frame = self._advance(index)
        except self._av.error.FFmpegError as error:
            self._at = len(self._index.stamps)
            raise DataError(f'{self.path}: the frame at {self._index.times[index]:.2f} s cannot be decoded '
                            f'({error.strerror or error})') from None
        self._last, self._last_index = self._pixels(frame), index
        return self._last

    def _advance(self, index: int):
        """Decode until the frame at ``index`` and return it; where there is none, what is shown in its stead: the one
        before it, or the first."""
        before = None
        for frame in self._frames:
            self.decoded += 1
            self._at = self._position(frame)
            if self._at >= index:
                return frame if self._at == index or before is None else before
            before = frame
        self._at = len(self._index.stamps)
        if before is None:
            raise DataError(f'{self.path}: the video ends before its frame at {self._index.times[index]:.2f} s')
        return before

    def _position(self, frame) -> int:
        if self._index.counted or frame.pts is None:
            return self._at + 1
        return int(np.searchsorted(self._index.stamps, frame.pts, side='right')) - 1

    def _seek(self, group: int) -> None:
        """Put the decoder before the key frame of ``group``."""
        shown, decoded = (int(stamp) for stamp in self._index.seeks[group])
        for stamp in (shown, decoded, decoded - 1, None):
            if stamp is None:
                self._container.seek(0, backward=True)
            else:
                self._container.seek(stamp, stream=self._track, backward=True)
            packets = self._container.demux(self._track)
            packet = next(packets, None)
            if packet is None:
                continue
            here = packet.dts if packet.pts is None or self._index.counted else packet.pts
            key = decoded if packet.pts is None or self._index.counted else shown
            if here is None or here <= key:
                break
        self._at = self._place_of(packet, group) - 1
        self._frames = self._decoded(packet, packets)

    def _place_of(self, packet, group: int) -> int:
        """Position of the frame of the packet where decoding begins; it may lie before the group asked for."""
        if packet is None:
            return int(self._index.starts[group])
        stamps = self._index.seeks[:, 1 if self._index.counted else 0]
        found = np.flatnonzero(stamps == (packet.dts if self._index.counted else packet.pts))
        return int(self._index.starts[found[0]]) if len(found) else int(self._index.starts[0])

    @staticmethod
    def _decoded(packet, packets) -> Iterator:
        while packet is not None:
            yield from packet.decode()
            packet = next(packets, None)

    def _pixels(self, frame) -> np.ndarray:
        width, height = self._track.codec_context.width, self._track.codec_context.height
        pixels = self._reformatter.reformat(frame, width, height, 'rgb24', **self._scaling).to_ndarray()
        turns = self._index.rotation // 90
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
