"""Where a model looks, over the frames of a video.

The numbers are those of the pictures of Audio-Visual Event Localization in Unconstrained Videos (ECCV 2018): 16 frames
a segment, each attention map stretched over the whole range, enlarged bilinearly, and laid over the frame in the "jet"
colours, or, by default here, in colours that keep the frame bright and can be told apart with any kind of colour
vision.
"""
from __future__ import annotations

from functools import cache

import numpy as np

from avmm.evaluation.functional import Array, as_numpy
from avmm.utils import ConfigError

#: ``(share of the heat, share of the frame)`` of the published pictures: together 0.8, which dims them.
PUBLISHED_BLEND = (0.2, 0.6)
COLOUR_MAPS = ('jet', 'viridis', 'inferno')


def segment_frames(num_frames: int, num_segments: int = 10, samples: int = 16) -> np.ndarray:
    r"""Numbers of the frames that are looked at in each segment.

    With :math:`I = \lfloor F / S \rfloor` frames a segment, sample i of K in segment l is frame
    :math:`\lfloor l I + (i / K) I \rfloor`. Frames behind the last whole segment are not used.

    Args:
        num_frames: F, frames of the video.
        num_segments: S.
        samples: K, frames to take from a segment; where it has fewer, some repeat.

    Returns:
        ``(S, K)`` int64.

    Raises:
        ConfigError: If the video has fewer frames than segments, or a count is below 1.

    Example:
        >>> segment_frames(297, 10, 4)[1].tolist()
        [29, 36, 43, 50]
    """
    if num_segments < 1 or samples < 1:
        raise ConfigError(f'segments and samples must be at least 1, got {num_segments} and {samples}')
    if num_frames < num_segments:
        raise ConfigError(f'{num_frames} frames cannot be dealt to {num_segments} segments')
    interval = num_frames // num_segments
    # In whole numbers: a rounded i / K could fall short of a frame.
    return np.arange(num_segments)[:, None] * interval + np.arange(samples) * interval // samples


def stretch_maps(maps: Array) -> np.ndarray:
    """Attention maps, each stretched so that its smallest value becomes 0 and its largest 255.

    A map of equal values has nothing to show, and becomes 0 everywhere.

    Args:
        maps: ``(..., H, W)``.

    Returns:
        ``(..., H, W)`` float64.
    """
    values = as_numpy(maps).astype(np.float64)
    low, high = values.min((-2, -1), keepdims=True), values.max((-2, -1), keepdims=True)
    flat = high == low
    return np.where(flat, 0.0, 255 * (values - low) / np.where(flat, 1.0, high - low))


def resize_maps(maps: Array, size: tuple[int, int] = (224, 224)) -> np.ndarray:
    """Maps enlarged bilinearly, values counting for the centres of their cells: what OpenCV's ``resize`` gives.

    Args:
        maps: ``(..., H, W)``.
        size: Height and width to reach, no smaller than the maps.

    Returns:
        ``(..., *size)`` float64.
    """
    import torch
    from torch.nn.functional import interpolate
    values = as_numpy(maps).astype(np.float64)
    flat = torch.from_numpy(values.reshape(-1, 1, *values.shape[-2:]))
    large = interpolate(flat, size=tuple(size), mode='bilinear', align_corners=False)
    return large.numpy().reshape(*values.shape[:-2], *size)


@cache
def colour_table(name: str = 'inferno') -> np.ndarray:
    """Colours of the values 0 to 255, RGB ``(256, 3)`` uint8.

    ``'jet'`` is that of OpenCV, from dark blue over green to dark red; the others are matplotlib's.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name not in COLOUR_MAPS:
        raise ConfigError(f'the colour map must be one of {", ".join(COLOUR_MAPS)}, got {name!r}')
    if name == 'jet':
        steps = 4 * np.arange(256)
        ramps = np.stack([np.minimum(steps - 382, 1148 - steps), np.minimum(steps - 128, 892 - steps),
                          np.minimum(steps + 128, 638 - steps)], axis=1)
        table = ramps.clip(0, 255).astype(np.uint8)
        # The one value of OpenCV's table that is not on the ramp.
        table[159, 2] = 1
        return table
    from matplotlib import colormaps
    return np.round(255 * colormaps[name](np.arange(256))[:, :3]).astype(np.uint8)


def colour_maps(values: Array, name: str = 'inferno') -> np.ndarray:
    """Colours of stretched maps, RGB ``(..., H, W, 3)`` uint8; fractions of the values 0 to 255 are cut off."""
    return colour_table(name)[as_numpy(values).astype(np.uint8)]


def overlay(frames: Array, maps: Array, colours: str = 'inferno',
            blend: tuple[float, float] | None = None) -> np.ndarray:
    """Lay attention over frames.

    Args:
        frames: RGB ``(N, H, W, 3)`` uint8.
        maps: Attention ``(N, h, w)`` of any scale, no finer than the frames; each is stretched for itself.
        colours: One of :data:`COLOUR_MAPS`.
        blend: Shares of heat and frame, such as :data:`PUBLISHED_BLEND`. None covers a cell the more, the more
            attention it has, up to 70 %, and leaves the others as they are.

    Returns:
        RGB ``(N, H, W, 3)`` uint8.

    Raises:
        ConfigError: If the shapes do not fit.
    """
    frames, maps = as_numpy(frames), as_numpy(maps)
    if frames.ndim != 4 or frames.shape[3] != 3 or maps.ndim != 3 or len(maps) != len(frames):
        raise ConfigError(f'frames (N, H, W, 3) and maps (N, h, w) do not fit: {frames.shape} and {maps.shape}')
    values = resize_maps(stretch_maps(maps), frames.shape[1:3])
    heat = colour_maps(values, colours)
    share, rest = (0.7 * values[..., None] / 255, 1 - 0.7 * values[..., None] / 255) if blend is None else blend
    return np.rint(share * heat + rest * frames).clip(0, 255).astype(np.uint8)


def resize_frames(frames: Array, size: tuple[int, int] = (224, 224)) -> np.ndarray:
    """Frames ``(N, H, W, 3)`` uint8 brought to a height and width; smaller ones are averaged, not picked from."""
    from PIL import Image
    return np.stack([np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR))
                     for frame in as_numpy(frames)])
