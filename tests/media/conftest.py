"""Videos for tests."""
from __future__ import annotations

import io
import struct

import pytest
from PIL import Image


@pytest.fixture
def make_avi():
    """``make_avi(path, frames, audio, rate, size)`` writes a small video and returns its path."""
    return avi


def avi(path, frames=5, audio=None, rate=16000, size=(32, 64)):
    """A motion-jpeg avi, written by hand so that no encoder is needed; frame i is grey of value 40 i."""
    height, width = size

    def chunk(name, data):
        return name + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)

    def listing(kind, *chunks):
        return chunk(b'LIST', kind + b''.join(chunks))

    frame_bytes = width * height * 3

    def jpg(value):
        buffer = io.BytesIO()
        Image.new('RGB', (width, height), (value, ) * 3).save(buffer, 'JPEG')
        return buffer.getvalue()

    video_header = struct.pack('<4s4sIHHIIIIIIIIhhhh', b'vids', b'MJPG', 0, 0, 0, 0, 1, 10, 0, frames, frame_bytes, 0,
                               0, 0, 0, width, height)
    video_format = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 24, 0x47504A4D, frame_bytes, 0, 0, 0, 0)
    streams = [listing(b'strl', chunk(b'strh', video_header), chunk(b'strf', video_format))]
    movie = [chunk(b'00dc', jpg(40 * i)) for i in range(frames)]
    if audio is not None:
        pcm = (audio * 32767).astype('<i2').tobytes()
        audio_header = struct.pack('<4s4sIHHIIIIIIIIhhhh', b'auds', b'\0' * 4, 0, 0, 0, 0, 1, rate, 0, len(audio),
                                   len(pcm), 0, 2, 0, 0, 0, 0)
        streams.append(listing(b'strl', chunk(b'strh', audio_header),
                               chunk(b'strf', struct.pack('<HHIIHH', 1, 1, rate, rate * 2, 2, 16))))
        movie.insert(0, chunk(b'01wb', pcm))
    main = struct.pack('<14I', 100000, 0, 0, 0x10, frames, 0, len(streams), frame_bytes, width, height, 0, 0, 0, 0)
    index, offset = b'', 4
    for part in movie:
        index += struct.pack('<4sIII', part[:4], 0x10, offset, struct.unpack('<I', part[4:8])[0])
        offset += len(part)
    header = listing(b'hdrl', chunk(b'avih', main), *streams)
    body = b'AVI ' + header + listing(b'movi', *movie) + chunk(b'idx1', index)
    path.write_bytes(chunk(b'RIFF', body))
    return path
