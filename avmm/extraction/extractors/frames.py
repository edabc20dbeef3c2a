"""Frames of a clip as units of an extractor."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from avmm.extraction.base import Media

# Frames in full size that are in memory at once.
_CHUNK = 16


def frame_count(media: Media) -> int:
    """Frames that a clip should have: of the whole file, or of its duration where that is given."""
    video = media.video()
    if media.start == 0 and media.duration is None:
        return len(video)
    left = video.times[0] + video.duration - media.start
    return max(1, round((left if media.duration is None else media.duration) * video.fps))


def indices_in_file(media: Media, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Indices in the file of frames that are counted from the start of the clip; past the end, of the last frame."""
    video = media.video()
    first = 0 if media.start == 0 else int(video.index_at([media.start])[0])
    return np.minimum(np.asarray(indices, np.int64) + first, len(video) - 1)


def even_times(media: Media, rate: float) -> np.ndarray:
    """Times in s, ``rate`` a second, from the start of a clip to its end, or to that of the file if it is earlier."""
    video = media.video()
    end = video.times[0] + video.duration
    if media.duration is not None:
        end = min(end, media.start + media.duration)
    return media.start + np.arange(max(1, round((end - media.start) * rate))) / rate


def load_frames(media: Media, indices: np.ndarray, prepare: Callable[[Tensor], Tensor]) -> Tensor:
    """Decode frames and prepare them, a few at a time.

    Args:
        media: The clip.
        indices: Frames of the file, ascending.
        prepare: What becomes of uint8 frames ``(n, 3, H, W)``; keeps their number.

    Returns:
        ``(N, ...)``, what ``prepare`` gives.
    """
    out = None
    for first in range(0, len(indices), _CHUNK):
        frames = torch.from_numpy(media.video().get(indices[first:first + _CHUNK])).permute(0, 3, 1, 2)
        part = prepare(frames)
        if out is None:
            # Frames keep their colours side by side; moving these apart would cost as much as a resize.
            side_by_side = part.ndim == 4 and part.is_contiguous(memory_format=torch.channels_last)
            out = torch.empty((len(indices), *part.shape[1:]), dtype=part.dtype, memory_format=
                              torch.channels_last if side_by_side else torch.contiguous_format)
        out[first:first + _CHUNK] = part
    return out


def resize(frames: Tensor, size: Sequence[int] | int | None, antialias: bool = True) -> Tensor:
    """Resize frames ``(N, 3, H, W)`` by bilinear interpolation.

    Args:
        frames: uint8, or float.
        size: Height and width; or the shorter side, which keeps the shape; None keeps the frames as they are.
        antialias: Whether shrinking averages, as Pillow does (uint8 within one level of it), or picks points.
    """
    height, width = frames.shape[-2:]
    if isinstance(size, int):
        shorter = min(height, width)
        size = (size * height // shorter, size * width // shorter)
    if size is None or tuple(size) == (height, width):
        return frames
    return torch.nn.functional.interpolate(frames, size=tuple(size), mode='bilinear', align_corners=False,
                                           antialias=antialias)


def center_crop(frames: Tensor, size: int) -> Tensor:
    """Cut the middle ``size`` x ``size`` pixels out of frames ``(N, 3, H, W)``."""
    top, left = (round((side - size) / 2) for side in frames.shape[-2:])
    return frames[..., top:top + size, left:left + size]


def normalize(frames: Tensor, mean: Tensor, std: Tensor, channel: int = 1) -> Tensor:
    """uint8 frames as floats, ``(x / 255 - mean) / std``, with the channels along dimension ``channel``."""
    shape = [1] * frames.dim()
    shape[channel] = 3
    return (frames.float() / 255 - mean.view(shape)) / std.view(shape)
