"""What a video file says about its frames before any is decoded."""
from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from avmm.media.check import check_file
from avmm.utils import DataError, optional_import


class NoPictureError(DataError):
    """A file has no moving picture."""


@dataclass(frozen=True)
class PacketIndex:
    """The frames of a video in the order of their presentation, from its packets alone.

    Attributes:
        times: When each frame is shown, float64 ``(N,)``, s after the beginning of the file (of its earliest track).
        end: When the last frame is over, s.
        fps: Frames a second on average.
        rotation: Degrees by which decoded frames are turned counter-clockwise to be shown, 0, 90, 180 or 270.
        stamps: The time stamps ``(N,)`` of the frames, in units of the track.
        starts: Frames ``(K,)`` where decoding can begin, ascending.
        seeks: For each of them ``(K, 2)`` the presentation and the decoding stamp of its packet.
        counted: Whether decoded frames are told apart by counting, as the container stores no time stamps of its own.
        plain: Whether every packet is a frame to show, in a picture that is not turned: any decoder gives the same.
    """
    times: np.ndarray
    end: float
    fps: float
    rotation: int
    stamps: np.ndarray
    starts: np.ndarray
    seeks: np.ndarray
    counted: bool
    plain: bool


def picture_track(container, path: str | os.PathLike):
    """The video track of an opened container that can be decoded, pictures of covers aside.

    Raises:
        NoPictureError: If it has none.
    """
    cover = optional_import('av', 'video').stream.Disposition.attached_pic
    tracks = [track for track in container.streams.video
              if not track.disposition & cover and track.codec_context is not None]
    if not tracks:
        raise NoPictureError(f'{path}: not a readable video file (it has no picture)')
    return tracks[0]


def clock_start(container) -> float:
    """Beginning of the earliest track in s: the zero of the clock of a file.

    What lies before zero are samples with which an encoder started; a player does not show them.
    """
    return max(0, container.start_time or 0) / 1e6


def read_index(path: str | os.PathLike) -> PacketIndex:
    """Read the packets of a video, without decoding more than one frame.

    Raises:
        NoPictureError: If the file has no moving picture.
        DataError: If it is missing, empty, truncated, or not a video.
    """
    check_file(path)
    av = optional_import('av', 'video')
    try:
        with av.open(os.fspath(path)) as container:
            track = picture_track(container, path)
            rows = [(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, packet.is_discard)
                    for packet in container.demux(track) if packet.size]
            rotation = _rotation(container, track)
            unit, start, fps = track.time_base, clock_start(container), track.average_rate
            counted = container.format.name == 'avi' or any(row[0] is None for row in rows)
    except (av.error.FFmpegError, OSError, ValueError):
        raise DataError(f'{path}: not a readable video file') from None
    if not rows:
        raise DataError(f'{path}: the video holds no frames')
    return _ordered(rows, float(unit), start, float(fps or 0), rotation, counted)


def _ordered(rows: list[tuple], unit: float, start: float, fps: float, rotation: int, counted: bool) -> PacketIndex:
    """The index of packets in the order of the file."""
    hidden = np.array([row[4] for row in rows])
    stamps = np.array([i if row[0] is None else row[0] for i, row in enumerate(rows)], np.int64)
    decoding = np.array([pts if row[1] is None else row[1] for pts, row in zip(stamps, rows, strict=True)], np.int64)
    order = np.flatnonzero(~hidden)[np.argsort(stamps[~hidden], kind='stable')]
    if not len(order):
        order, hidden = np.argsort(stamps, kind='stable'), np.zeros(len(rows), bool)
    shown = stamps[order]
    times = shown * unit - start
    if counted and fps:
        times = np.arange(len(order)) / fps
    durations = np.diff(times, append=times[-1] + rows[order[-1]][2] * unit)
    last = durations[-1] or (np.median(durations[:-1]) if len(durations) > 1 else 1 / (fps or 25))
    fps = fps or len(times) / (times[-1] - times[0] + last)
    keys = np.flatnonzero([row[3] for row in rows])
    keys = keys if len(keys) else np.zeros(1, np.int64)
    # A key frame that the file hides still starts the frames behind it.
    starts = np.searchsorted(shown, stamps[keys])
    by_start = np.argsort(starts, kind='stable')
    return PacketIndex(times, float(times[-1] + last), float(fps), rotation, shown, starts[by_start],
                       np.stack([stamps[keys], decoding[keys]], 1)[by_start], counted,
                       not hidden.any() and rotation == 0)


def _rotation(container, track) -> int:
    """Degrees by which the first frame is turned; mp4 and mov files have a field for it."""
    if 'mov' not in container.format.name:
        return 0
    av = optional_import('av', 'video')
    container.seek(0, backward=True)
    track.codec_context.thread_count = 1
    try:
        frame = next(container.decode(track), None)
    except av.error.FFmpegError:
        # Whoever asks for frames will hear of it.
        return 0
    return 0 if frame is None else round(frame.rotation / 90) % 4 * 90
