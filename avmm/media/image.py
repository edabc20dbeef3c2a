"""Still images."""
from __future__ import annotations

import os

from PIL import Image, UnidentifiedImageError

from avmm.media.check import check_file
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
            return image.convert('RGB')
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        check_file(path)
        if isinstance(error, UnidentifiedImageError):
            raise DataError(f'{path}: not a readable image file') from None
        raise DataError(f'{path}: the image cannot be decoded ({error})') from None
