"""A video without an encoder."""
from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def write_avi(path: str | Path, frames: int = 5, audio: np.ndarray | None = None, rate: int = 16000,
              size: tuple[int, int] = (32, 64)) -> Path:
    """Write a small motion-jpeg avi and return its path; frame ``i`` is grey of value ``40 i``.

    Args:
        path: The file.
        frames: Number of frames, ten a second; at most 6 of them differ.
        audio: Sound track ``(L,)`` in [-1, 1]. None writes a video without one.
        rate: Sample rate of the sound track in Hz.
        size: Height and width of a frame.
    """
    height, width = size
    frame_bytes = width * height * 3
    video_header = struct.pack('<4s4sIHHIIIIIIIIhhhh', b'vids', b'MJPG', 0, 0, 0, 0, 1, 10, 0, frames, frame_bytes, 0,
                               0, 0, 0, width, height)
    video_format = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 24, 0x47504A4D, frame_bytes, 0, 0, 0, 0)
    streams = [_listing(b'strl', _chunk(b'strh', video_header), _chunk(b'strf', video_format))]
    movie = [_chunk(b'00dc', _grey_jpg(min(40 * i, 255), width, height)) for i in range(frames)]
    if audio is not None:
        pcm = (audio * 32767).astype('<i2').tobytes()
        audio_header = struct.pack('<4s4sIHHIIIIIIIIhhhh', b'auds', b'\0' * 4, 0, 0, 0, 0, 1, rate, 0, len(audio),
                                   len(pcm), 0, 2, 0, 0, 0, 0)
        streams.append(_listing(b'strl', _chunk(b'strh', audio_header),
                                _chunk(b'strf', struct.pack('<HHIIHH', 1, 1, rate, rate * 2, 2, 16))))
        movie.insert(0, _chunk(b'01wb', pcm))
    main = struct.pack('<14I', 100000, 0, 0, 0x10, frames, 0, len(streams), frame_bytes, width, height, 0, 0, 0, 0)
    body = b'AVI ' + _listing(b'hdrl', _chunk(b'avih', main), *streams) + _listing(b'movi', *movie) \
        + _chunk(b'idx1', _index(movie))
    path = Path(path)
    path.write_bytes(_chunk(b'RIFF', body))
    return path


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)


def _listing(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b'LIST', kind + b''.join(chunks))


def _grey_jpg(value: int, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new('RGB', (width, height), (value, ) * 3).save(buffer, 'JPEG')
    return buffer.getvalue()


def _index(movie: list[bytes]) -> bytes:
    """Names, places and lengths of the chunks of a movie."""
    index, offset = b'', 4
    for part in movie:
        index += struct.pack('<4sIII', part[:4], 0x10, offset, struct.unpack('<I', part[4:8])[0])
        offset += len(part)
    return index
