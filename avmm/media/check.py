"""Cheap checks of media files, before a decoder makes the best of a broken one."""
from __future__ import annotations

import os
import struct

from avmm.utils import DataError

# A writer that does not know the length yet leaves one of these in the header.
_OPEN_ENDED = (0, 0xFFFFFFFF)


def check_file(path: str | os.PathLike) -> None:
    """Refuse a file that is missing, a folder, empty, or shorter than its own header says.

    RIFF files (wav, avi) and ISO media files (mp4, mov) declare their length; many decoders silently return what is
    left of a truncated one.

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
