"""Still images."""
from __future__ import annotations

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

    Raises:
        DataError: If the file is missing, empty, truncated, or not an image.
    """
    if os.fspath(path).lower().endswith(('.jpg', '.jpeg')):
        from torchvision.io import ImageReadMode, decode_jpeg
        try:
            planes = decode_jpeg(torch.from_numpy(read_bytes(path)), mode=ImageReadMode.RGB)
            return planes.numpy().transpose(1, 2, 0)
        except (OSError, RuntimeError):
            # PIL knows more kinds of jpg, and says what is wrong with a broken one.
            pass
    return np.array(read_image(path))
