"""Frames of a clip: images in a folder, a single image, or a video file."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from avmm.datasets.transforms.array_cache import ArrayCache
from avmm.datasets.transforms.base import AVTransform, clip_name
from avmm.datasets.transforms.frame_ops import Frame, frame_size, resize
from avmm.media import BACKENDS, VideoFrames, read_image, read_image_array
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError, DataError
from avmm.utils.paths import resolve_data_root

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
# Raised when the pixels that the cache keeps change, so that older caches are not used.
_CACHE_VERSION = 1
SAMPLING = ('random', 'centers', 'fixed', 'all')


class FrameSampler:
    """Chooses frames of a clip.

    Args:
        num_frames: Frames to choose; not used by ``'fixed'`` and ``'all'``.
        sampling: ``'random'`` takes distinct frames at random, in order; ``'centers'`` the centres of equal segments;
            ``'fixed'`` those of ``indices``; ``'all'`` every frame.
        indices: For ``'fixed'``: which frames, from 0.
        short: What to do with a clip of fewer frames than asked: ``'repeat'`` frames or raise an ``'error'``.

    Example:
        >>> FrameSampler(3, 'centers').choose(10, None, 'clip').tolist()
        [1, 5, 8]
    """

    def __init__(self, num_frames: int = 1, sampling: str = 'random', indices: Sequence[int] | None = None,
                 short: str = 'repeat'):
        if sampling not in SAMPLING:
            raise ConfigError(f'sampling must be one of {", ".join(SAMPLING)}, got {sampling!r}')
        if short not in ('repeat', 'error'):
            raise ConfigError(f"short must be 'repeat' or 'error', got {short!r}")
        if (sampling == 'fixed') != (indices is not None):
            raise ConfigError("indices go with sampling='fixed', and only with it")
        if num_frames < 1:
            raise ConfigError(f'num_frames must be at least 1, got {num_frames}')
        self.num_frames = num_frames
        self.sampling = sampling
        self.indices = None if indices is None else np.array(indices)
        self.short = short

    def choose(self, available: int, rng: np.random.Generator | None, name: str) -> np.ndarray:
        """Indices of the chosen frames, in order.

        Args:
            available: Frames that the clip has.
            rng: Generator for ``'random'``.
            name: Clip to name in an error.

        Raises:
            DataError: If the clip is too short and ``short='error'``, or has no frame at all.
        """
        if available == 0:
            raise DataError(f'{name}: no frames')
        if self.sampling == 'all':
            return np.arange(available)
        needed = self.num_frames if self.indices is None else int(self.indices.max()) + 1
        if available < needed and self.short == 'error':
            raise DataError(f'{name}: {available} frames, {needed} are needed')
        if self.indices is not None:
            return np.minimum(self.indices, available - 1)
        if available == needed:
            return np.arange(needed)
        if self.sampling == 'random' and available > needed:
            return np.sort(rng.choice(available, needed, replace=False))
        return ((np.arange(needed) + 0.5) * available / needed).astype(np.int64)

    def __repr__(self) -> str:
        indices = None if self.indices is None else self.indices.tolist()
        return f'{type(self).__name__}({self.num_frames}, {self.sampling!r}, {indices}, {self.short!r})'


@TRANSFORMS.register_module()
class LoadFrames(AVTransform):
    """Load images of a clip.

    Required Keys:

    - frame_dir (str), a folder of images, or frame_paths (list[str])
    - rng

    Added Keys:

    - frames (list of frames)
    - frame_indices (``(N,)``)

    Args:
        num_frames: Frames to load.
        sampling: ``'random'``, ``'centers'``, ``'fixed'`` or ``'all'``; see :class:`FrameSampler`.
        indices: Frames for ``'fixed'``.
        short: ``'repeat'`` or ``'error'`` for a clip of fewer frames.
        backend: ``'pillow'`` loads PIL images: later steps then give the exact numbers of torchvision's transforms.
            ``'torch'`` loads uint8 arrays ``(H, W, 3)``: the same pixels, and later steps take half the time, within
            two of 255 levels.
        draft_size: With ``'pillow'``: ``(width, height)`` that later steps need at least; jpg files are then decoded
            at a fraction of their size, which is faster and changes the pixels.
        cache_dir: Folder that keeps decoded frames, for another fraction of the time of a jpg: the same pixels, at
            ``3 H W`` bytes a frame. A leading ``data`` is replaced by ``$AVMM_DATA``. A changed file or option is
            decoded anew. None decodes each time.
        cache_size: With ``cache_dir``: longest shorter side to keep, in pixels. Larger frames are shrunk once, with
            antialiasing, which saves space and changes the pixels. None keeps them as they are.
    """

    def __init__(self, num_frames: int = 1, sampling: str = 'random', indices: Sequence[int] | None = None,
                 short: str = 'repeat', backend: str = 'pillow', draft_size: tuple[int, int] | None = None,
                 cache_dir: str | None = None, cache_size: int | None = None):
        self.sampler = FrameSampler(num_frames, sampling, indices, short)
        if backend not in ('pillow', 'torch'):
            raise ConfigError(f"backend must be 'pillow' or 'torch', got {backend!r}")
        if backend == 'torch' and draft_size is not None:
            raise ConfigError("draft_size goes with backend='pillow'")
        self.backend = backend
        if cache_size is not None and (cache_dir is None or cache_size < 1):
            raise ConfigError(f'cache_size must be at least 1 and goes with cache_dir, got {cache_size}')
        self.draft_size = None if draft_size is None else tuple(draft_size)
        self.cache_dir = None if cache_dir is None else resolve_data_root(cache_dir)
        self.cache_size = cache_size
        self._cache = None if cache_dir is None else ArrayCache(
            self.cache_dir, 'uint8', repr((_CACHE_VERSION, self.draft_size, cache_size)), 'frames', '.rgb')

    @property
    def random(self) -> bool:
        """Whether two draws can differ."""
        return self.sampler.sampling == 'random'

    def transform(self, results: dict) -> dict:
        """Load the chosen frames."""
        if 'frame_paths' not in results and 'frame_dir' not in results:
            return results
        paths = results['frame_paths'] if 'frame_paths' in results else list_frames(results['frame_dir'])
        name = clip_name(results, ('frame_dir', 'sample_id'))
        chosen = self.sampler.choose(len(paths), results.get('rng'), name)
        results['frames'] = [self._read(paths[i]) for i in chosen]
        results['frame_indices'] = chosen
        return results

    def _read(self, path: str) -> Frame:
        place = None if self._cache is None else self._cache.place(path)
        if place is None:
            return read_image(path, self.draft_size) if self.backend == 'pillow' else read_image_array(path)
        pixels = self._cache.read(place)
        if pixels is None:
            pixels = np.array(self._shrunk(read_image(path, self.draft_size)))
            self._cache.write(place, pixels)
        return Image.fromarray(pixels) if self.backend == 'pillow' else pixels

    def _shrunk(self, frame: Image.Image) -> Image.Image:
        """The frame as the cache keeps it; the same for both backends, which share what is kept."""
        shorter = min(frame_size(frame))
        if self.cache_size is None or shorter <= self.cache_size:
            return frame
        size = tuple(max(1, round(side * self.cache_size / shorter)) for side in frame_size(frame))
        return resize(frame, size, 'bilinear')


@TRANSFORMS.register_module()
class LoadVideoFrames(AVTransform):
    """Decode frames of a video file, only those that are used.

    Required Keys:

    - video_path (str)
    - rng

    Added Keys:

    - frames (list of uint8 arrays ``(H, W, 3)``, or of PIL images)
    - frame_indices (``(N,)``)

    Args:
        num_frames: Frames to load.
        sampling: ``'random'``, ``'centers'``, ``'fixed'`` or ``'all'``; see :class:`FrameSampler`.
        indices: Frames for ``'fixed'``.
        short: ``'repeat'`` or ``'error'`` for a clip of fewer frames.
        backend: ``'pillow'`` or ``'torch'``, the form of the frames; see :class:`LoadFrames`.
        num_threads: Threads of the decoder.
        decoder: ``'decord'``, ``'pyav'`` or ``'torchcodec'``; see :class:`avmm.media.VideoFrames`.
    """

    def __init__(self, num_frames: int = 1, sampling: str = 'random', indices: Sequence[int] | None = None,
                 short: str = 'repeat', backend: str = 'pillow', num_threads: int = 1, decoder: str = 'decord'):
        self.sampler = FrameSampler(num_frames, sampling, indices, short)
        if backend not in ('pillow', 'torch'):
            raise ConfigError(f"backend must be 'pillow' or 'torch', got {backend!r}")
        if decoder not in BACKENDS:
            raise ConfigError(f'decoder must be one of {", ".join(BACKENDS)}, got {decoder!r}')
        self.backend = backend
        self.num_threads = num_threads
        self.decoder = decoder

    @property
    def random(self) -> bool:
        """Whether two draws can differ."""
        return self.sampler.sampling == 'random'

    def transform(self, results: dict) -> dict:
        """Decode the chosen frames."""
        if 'video_path' not in results:
            return results
        video = VideoFrames(results['video_path'], self.num_threads, self.decoder)
        chosen = self.sampler.choose(len(video), results.get('rng'), video.path)
        frames = video.get(chosen)
        results['frames'] = [Image.fromarray(f) for f in frames] if self.backend == 'pillow' else list(frames)
        results['frame_indices'] = chosen
        return results


def list_frames(folder: str) -> list[str]:
    """Images of a folder in natural order: ``frame_2`` before ``frame_10``.

    Raises:
        DataError: If the folder is missing or holds no image.
    """
    try:
        names = [name for name in os.listdir(folder) if name.lower().endswith(IMAGE_SUFFIXES)]
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f'{folder}: the folder of frames is missing') from None
    if not names:
        raise DataError(f'{folder}: the folder holds no images')
    return [os.path.join(folder, name) for name in sorted(names, key=natural_key)]


def natural_key(name: str) -> list:
    """Sort key that orders digits by their value."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', name)]
