"""Cheap checks of media files, before a decoder makes the best of a broken one."""
from __future__ import annotations

import os
import struct

from avmm.utils import DataError

# A writer that does not know the length yet leaves one of these in the header.
_OPEN_ENDED = (0, 0xFFFFFFFF)
_EBML, _SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'


def check_file(path: str | os.PathLike) -> None:
    """Refuse a file that is missing, a folder, empty, or shorter than its own header says.

    RIFF files (wav, avi), ISO media files (mp4, mov) and Matroska files (mkv) declare their length; many decoders
    silently return what is left of a truncated one.

    Raises:
        DataError: Naming the file and the reason.
    """
    try:
        size = os.stat(path).st_size
        with open(path, 'rb') as file:
            head = file.read(16)
            declared = _declared_size(file, head, size)
    except FileNotFoundError:
        raise DataError(f'{path}: the file is missing') from None
    except OSError as error:
        raise DataError(f'{path}: the file cannot be read ({error.strerror})') from None
    if size == 0:
        raise DataError(f'{path}: the file is empty')
    if declared > size:
        raise DataError(f'{path}: the file is truncated ({size} of {declared} bytes)')


def _declared_size(file, head: bytes, size: int) -> int:
    """Bytes that the headers promise; 0 where they promise nothing."""
    if head[:4] == b'RIFF' and len(head) >= 8:
        length = struct.unpack('<I', head[4:8])[0]
        return 0 if length in _OPEN_ENDED else length + 8
    if head[4:8] == b'ftyp':
        return _iso_end(file, size)
    if head[:4] == _EBML:
        return _matroska_end(file)
    return 0


def _iso_end(file, size: int) -> int:
    """End of the last top-level box of an ISO media file."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        length, kind = struct.unpack('>I4s', file.read(8))
        if length == 1:
            wide = file.read(8)
            length = struct.unpack('>Q', wide)[0] if len(wide) == 8 else 0
        if length < 8 or not kind.isascii():
            break
        end += length
    return end


def _matroska_end(file) -> int:
    """End of the segment of a Matroska file; 0 where its writer did not know it."""
    file.seek(4)
    header = _element_size(file)
    if header is None:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return 0
    length = _element_size(file)
    return 0 if length is None else file.tell() + length


def _element_size(file) -> int | None:
    """A number of one to eight bytes, whose leading zeros say how many; None if all its bits are set: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    bits = 7 * width
    value = int.from_bytes(first + rest, 'big') & ((1 << bits) - 1)
    return None if len(rest) < width - 1 or value == (1 << bits) - 1 else value
