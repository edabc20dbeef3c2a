"""Size, place and orientation of frames."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from avmm.datasets.transforms.base import AVTransform
from avmm.datasets.transforms.frame_ops import (
    Frame,
    check_filter,
    crop,
    flip,
    frame_size,
    resize,
    stack_frames,
)
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ConfigError(f'sizes must be at least 1 pixel, got {size!r}')
    return int(height), int(width)


class FrameTransform(AVTransform):
    """Base of steps that treat frames one by one.

    Modified Keys:

    - frames (list of frames)
    """

    def transform(self, results: dict) -> dict:
        """Treat every frame."""
        if 'frames' in results:
            results['frames'] = [self.one(frame) for frame in results['frames']]
        return results

    def one(self, frame: Frame) -> Frame:
        """Treat one frame."""
        raise NotImplementedError(f'{type(self).__name__} must implement one(frame)')


@TRANSFORMS.register_module()
class Resize(FrameTransform):
    """Resize frames.

    Modified Keys:

    - frames (list of frames)

    Args:
        size: ``(height, width)`` to reach whatever the aspect ratio, or one number for the shorter side, which keeps
            the aspect ratio.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'bicubic'`` or ``'lanczos'``.
    """

    def __init__(self, size: int | tuple[int, int], interpolation: str = 'bilinear'):
        _pair(size)
        self.size = size if isinstance(size, int) else tuple(size)
        self.interpolation = check_filter(interpolation)

    def one(self, frame: Frame) -> Frame:
        """Resize one frame."""
        if isinstance(self.size, int):
            width, height = frame_size(frame)
            if width <= height:
                new = (self.size, int(self.size * height / width))
            else:
                new = (int(self.size * width / height), self.size)
        else:
            new = self.size[::-1]
        return resize(frame, new, self.interpolation)


@TRANSFORMS.register_module()
class CenterCrop(FrameTransform):
    """Keep the middle of frames; a smaller frame gets black borders.

    Modified Keys:

    - frames (list of frames)

    Args:
        size: ``(height, width)``, or one number for both.
    """

    def __init__(self, size: int | tuple[int, int]):
        self.size = _pair(size)

    def one(self, frame: Frame) -> Frame:
        """Crop one frame."""
        height, width = self.size
        left, top = (_middle(have, want) for have, want in zip(frame_size(frame), (width, height), strict=True))
        return crop(frame, (left, top, left + width, top + height))


def _middle(have: int, want: int) -> int:
    return round((have - want) / 2.0) if have >= want else -((want - have) // 2)


@TRANSFORMS.register_module()
class RandomResizedCrop(AVTransform):
    """Crop a random part of random size and aspect ratio, and resize it.

    Source: the training crop of "Going deeper with convolutions" (Szegedy et al., 2015), as torchvision has it.

    Required Keys:

    - frames (list of frames)
    - rng

    Modified Keys:

    - frames

    Args:
        size: ``(height, width)`` of the result, or one number for both.
        scale: Smallest and largest part of the area.
        ratio: Smallest and largest ratio of width to height.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'bicubic'`` or ``'lanczos'``.
        shared: Whether all frames of a clip are cropped alike, or each on its own.
    """

    random = True

    def __init__(self, size: int | tuple[int, int], scale: tuple[float, float] = (0.08, 1.0),
                 ratio: tuple[float, float] = (3 / 4, 4 / 3), interpolation: str = 'bilinear', shared: bool = False):
        self.size = _pair(size)
        if not 0 < scale[0] <= scale[1] or not 0 < ratio[0] <= ratio[1]:
            raise ConfigError(f'scale and ratio must be (smallest, largest) above 0, got {scale} and {ratio}')
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.interpolation = check_filter(interpolation)
        self.shared = shared

    def transform(self, results: dict) -> dict:
        """Crop every frame."""
        if 'frames' not in results:
            return results
        box, cropped = None, []
        for frame in results['frames']:
            if box is None or not self.shared:
                box = self.box(frame_size(frame), results['rng'])
            cropped.append(resize(crop(frame, box), self.size[::-1], self.interpolation))
        results['frames'] = cropped
        return results

    def box(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw ``(left, top, right, bottom)`` in a picture of ``(width, height)``."""
        width, height = size
        log_ratio = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            area = width * height * rng.uniform(*self.scale)
            aspect = math.exp(rng.uniform(*log_ratio))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
                return left, top, left + w, top + h
        return self._fallback(width, height)

    def _fallback(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The largest central part of an allowed aspect ratio."""
        w, h = width, height
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h


@TRANSFORMS.register_module()
class RandomHorizontalFlip(AVTransform):
    """Mirror frames left to right.

    Required Keys:

    - frames (list of frames)
    - rng

    Modified Keys:

    - frames

    Args:
        prob: Probability of a flip.
        shared: Whether all frames of a clip are flipped alike, or each on its own.
    """

    random = True

    def __init__(self, prob: float = 0.5, shared: bool = False):
        if not 0 <= prob <= 1:
            raise ConfigError(f'prob must lie in 0 to 1, got {prob}')
        self.prob = prob
        self.shared = shared

    def transform(self, results: dict) -> dict:
        """Flip some frames."""
        if 'frames' not in results:
            return results
        frames = results['frames']
        turns = (results['rng'].random(1 if self.shared else len(frames)) < self.prob).tolist()
        if self.shared:
            turns *= len(frames)
        results['frames'] = [flip(frame) if turn else frame for frame, turn in zip(frames, turns, strict=True)]
        return results


@TRANSFORMS.register_module()
class Normalize(AVTransform):
    """Scale frames to 0..1, subtract the mean and divide by the standard deviation of each channel.

    It costs four times the memory of uint8 on the way to the model; ``AVDataPreprocessor`` does the same on the
    device.

    Required Keys:

    - frames (list of frames of one size)

    Added Keys:

    - visual (float32 ``(3, T, H, W)``)

    Args:
        mean: Mean of red, green and blue, for values in 0..1. Defaults to that of ImageNet.
        std: Standard deviation of red, green and blue. Defaults to that of ImageNet.
    """

    def __init__(self, mean: Sequence[float] = (0.485, 0.456, 0.406), std: Sequence[float] = (0.229, 0.224, 0.225)):
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ConfigError(f'mean and std take three numbers each, std above 0; got {mean} and {std}')
        self.mean = tuple(mean)
        self.std = tuple(std)
        # The normalised value of each of the 256 values of a channel.
        values = torch.arange(256, dtype=torch.float32).div(255).repeat(3, 1)
        self._table = values.sub_(torch.tensor(self.mean)[:, None]).div_(torch.tensor(self.std)[:, None]).numpy()

    def transform(self, results: dict) -> dict:
        """Make the tensor of frames."""
        if 'frames' in results:
            results['visual'] = stack_frames(results['frames'], self._table)
        return results
