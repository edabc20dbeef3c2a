"""Still images."""
from __future__ import annotations

import functools
import os

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from avmm.media.check import check_file
from avmm.media.raw import read_bytes
from avmm.utils import DataError


def read_image(path: str | os.PathLike, draft_size: tuple[int, int] | None = None) -> Image.Image:
    """Read an image as RGB.

    Args:
        path: The file.
        draft_size: Smallest width and height that are needed. A jpg is then decoded at the smallest of 1, 1/2, 1/4
            and 1/8 of its size that still covers them: faster, but not the same pixels.

    Raises:
        DataError: If the file is missing, empty, truncated, or not an image.
    """
    try:
        with Image.open(path) as image:
            if draft_size is not None:
                image.draft('RGB', draft_size)
            image.load()
            # Converting RGB to RGB would copy every pixel.
            return image if image.mode == 'RGB' else image.convert('RGB')
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        check_file(path)
        if isinstance(error, UnidentifiedImageError):
            raise DataError(f'{path}: not a readable image file') from None
        raise DataError(f'{path}: the image cannot be decoded ({error})') from None


def read_image_array(path: str | os.PathLike) -> np.ndarray:
    """Read an image as uint8 RGB ``(H, W, 3)``: the pixels of :func:`read_image`, a jpg a little faster.

    simplejpeg decodes jpg files in four fifths of torchvision's time, to the same pixels; where it has no wheel,
    torchvision does it.

    Raises:
        DataError: If the file is missing, empty, truncated, or not an image.
    """
    if os.fspath(path).lower().endswith(('.jpg', '.jpeg')):
        try:
            return _decode_jpeg(read_bytes(path))
        except (OSError, RuntimeError):
            # PIL knows more kinds of jpg, and says what is wrong with a broken one.
            pass
    return np.array(read_image(path))


def _decode_jpeg(data: np.ndarray) -> np.ndarray:
    """Pixels of the bytes of a jpg file; RuntimeError if they cannot be decoded."""
    fast = _fast_decoder()
    if fast is not None:
        try:
            # It rounds the colours of print (CMYK) otherwise than Pillow.
            if fast.decode_jpeg_header(data)[2] in ('YCbCr', 'Gray'):
                return fast.decode_jpeg(data, 'RGB')
        except ValueError:
            # The other decoders know more kinds of jpg, and say what is wrong with a broken one.
            pass
    from torchvision.io import ImageReadMode, decode_jpeg
    return decode_jpeg(torch.from_numpy(data), mode=ImageReadMode.RGB).numpy().transpose(1, 2, 0)


@functools.cache
def _fast_decoder():
    """simplejpeg, or None where it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg
