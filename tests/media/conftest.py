"""Videos for tests."""
from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avmm.testing import write_avi


@pytest.fixture
def make_avi():
    """``make_avi(path, frames, audio, rate, size)`` writes a small video and returns its path."""
    return write_avi


def write_clip(path: Path, frames: int = 40, fps: int = 25, times=None, sound: np.ndarray | None = None,
               rate: int = 16000, codec: str = 'libx264', audio_codec: str = 'aac', delay: float = 0.0,
               size: tuple[int, int] = (48, 64)) -> Path:
    """Encode a video, with two B-frames and a key frame every twelve; frame ``i`` is grey of value ``5 i``, its upper
    left quarter red.

    Args:
        path: The file; its suffix names the container.
        frames: Number of frames.
        fps: Frames a second.
        times: When each frame is shown, s, for a variable frame rate.
        sound: Sound track ``(L,)`` in [-1, 1]. None writes none.
        rate: Its rate in Hz.
        codec: Encoder of the picture.
        audio_codec: Encoder of the sound.
        delay: Beginning of the sound in s.
        size: Height and width.
    """
    import av
    with av.open(str(path), 'w') as container:
        options = dict(bf='2', g='12', crf='4', sc_threshold='0') if codec == 'libx264' else dict(g='12')
        track = container.add_stream(codec, rate=fps, options=options)
        track.height, track.width = size
        track.bit_rate = 4_000_000
        track.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        track.codec_context.time_base = Fraction(1, fps if times is None else 1000)
        voice = None if sound is None else container.add_stream(audio_codec, rate=rate, layout='mono')
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i, size), format='rgb24')
            frame.pts = i if times is None else round(times[i] * 1000)
            frame.time_base = track.codec_context.time_base
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        if voice is not None:
            write_sound(container, voice, sound, rate, delay)
    return path


def write_sound(container, track, sound: np.ndarray, rate: int, delay: float) -> None:
    import av
    for first in range(0, len(sound), 960):
        part = np.ascontiguousarray(sound[None, first:first + 960], np.float32)
        frame = av.AudioFrame.from_ndarray(part, format='fltp', layout='mono')
        frame.sample_rate, frame.pts, frame.time_base = rate, first + round(delay * rate), Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def picture(i: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Frame ``i`` of :func:`write_clip`."""
    frame = np.full((*size, 3), 5 * i % 256, np.uint8)
    frame[:size[0] // 2, :size[1] // 2] = (255, 0, 0)
    return frame


def turn(source: Path, target: Path, degrees: int) -> Path:
    """Copy an mp4 file with a field that tells players to turn it clockwise."""
    data = bytearray(source.read_bytes())
    place = data.find(b'tkhd')
    place += 4 + 4 + (32 if data[place + 4] else 20) + 16
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    data[place:place + 36] = struct.pack('>9i', a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def spoil(path: Path, kind: str, which: int) -> Path:
    """Overwrite a packet of the track of a kind, ``'video'`` or ``'audio'``, with noise."""
    import av
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size and packet.stream.type == kind]
        place, size = packets[which].pos, packets[which].size
    data = bytearray(path.read_bytes())
    data[place:place + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(data)
    return path


@pytest.fixture
def clip_tools():
    """``write``, ``picture``, ``turn`` and ``spoil`` of this file."""
    from types import SimpleNamespace
    return SimpleNamespace(write=write_clip, picture=picture, turn=turn, spoil=spoil)
