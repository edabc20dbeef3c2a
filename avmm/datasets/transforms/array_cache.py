"""Arrays that are computed once and read from disk afterwards."""
from __future__ import annotations

import hashlib
import math
import os
import struct
import tempfile
import warnings

import numpy as np

from avmm.media import read_bytes

# Reading this costs a fifth of reading an npy file.
_HEADER = struct.Struct('<4s3i')
_MAGIC = b'AVSP'


class ArrayCache:
    """A folder of arrays of three dimensions, a file each.

    The name of a file is a hash of the path, size and modification time of what the array was made from, and of the
    options that it was made with: a changed source or option is not found. Files are written under another name and
    then renamed, so that workers and killed runs never leave half a file; a damaged one is not found either.

    Args:
        folder: Where the files are.
        dtype: Type of the arrays.
        options: Everything that the content depends on, besides the source.
        what: What the arrays are, in the plural, for a warning.
        suffix: End of the file names.
    """

    def __init__(self, folder: str | os.PathLike, dtype: str, options: str, what: str, suffix: str):
        self.folder = os.fspath(folder)
        self.dtype = np.dtype(dtype)
        self.options = options
        self.what = what
        self.suffix = suffix
        self._can_write = True

    def place(self, source: str) -> str | None:
        """The file for ``source``, whether it is there or not; None if ``source`` is missing."""
        try:
            state = os.stat(source)
        except OSError:
            return None
        key = f'{os.path.abspath(source)}\n{state.st_size}\n{state.st_mtime_ns}\n{self.options}'
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return os.path.join(self.folder, name[:2], f'{name}{self.suffix}')

    def read(self, place: str) -> np.ndarray | None:
        """The array of a file, which the receiver may change; None if the file is absent or damaged."""
        try:
            data = read_bytes(place)
            magic, *shape = _HEADER.unpack_from(data)
        except (OSError, struct.error):
            return None
        values = data[_HEADER.size:]
        if magic != _MAGIC or len(values) != math.prod(shape) * self.dtype.itemsize:
            return None
        return values.view(self.dtype).reshape(shape)

    def write(self, place: str, array: np.ndarray) -> None:
        """Keep an array; where that is impossible, a warning says so once."""
        if not self._can_write:
            return
        folder, temporary = os.path.dirname(place), None
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix='.part', delete=False) as file:
                temporary = file.name
                file.write(_HEADER.pack(_MAGIC, *array.shape) + array.tobytes())
            os.replace(temporary, place)
        except OSError as error:
            # A full or read-only disk costs speed, not the run.
            self._can_write = False
            if temporary is not None and os.path.exists(temporary):
                os.unlink(temporary)
            warnings.warn(f'{self.folder}: {self.what} are not cached any more ({error.strerror})', stacklevel=2)
