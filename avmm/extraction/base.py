"""What a feature extractor is, and the clip that it gets.

One item (a clip, or a part of one) passes three stages, which the engine runs where they belong::

    load(media)      worker process, CPU    decode and prepare        -> units (N, ...): frames, windows, patches
    forward(units)   main process, device   units of several items    -> (M, ...), a row for every unit
    finish(rows)     main process, CPU      the rows of one item      -> array of ``spec``: pooling, PCA, rounding
"""
from __future__ import annotations

import copy
import os
from abc import abstractmethod

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from avmm.datasets.feature_store import ArraySpec
from avmm.media import VideoFrames, open_video, read_sound
from avmm.media.sound import AUDIO_SUFFIXES
from avmm.utils import ConfigError

__all__ = ['AUDIO_SUFFIXES', 'FeatureExtractor', 'Media']

MODALITIES = ('audio', 'visual')


class Media:
    """One clip, opened when it is first asked for something.

    Args:
        path: A video, or a file of sound.
        start: Beginning of the clip in the file, in s.
        duration: Its length in s; None means to the end of the file.
        backend: Decoder of the frames; see :class:`avmm.media.VideoFrames`. None takes its default.
        num_threads: Threads of that decoder.
    """

    def __init__(self, path: str | os.PathLike, start: float = 0.0, duration: float | None = None,
                 backend: str | None = None, num_threads: int = 1):
        self.path, self.start, self.duration = os.fspath(path), float(start), duration
        self.backend, self.num_threads = backend, num_threads
        self._video: VideoFrames | None = None
        self._sounds: dict[tuple[int, bool, str], np.ndarray] = {}

    def video(self) -> VideoFrames:
        """The frame reader of the whole file; all extractors of a clip share it.

        Raises:
            DataError: If the file is missing, empty, truncated, or not a video.
        """
        if self._video is None:
            self._video = open_video(self.path, self.backend or 'decord', self.num_threads)
        return self._video

    def sound(self, sample_rate: int, mono: bool = False, resampling: str = 'sinc_hann') -> np.ndarray:
        """The sound of the clip, float32 ``(channels, L)`` in [-1, 1] at ``sample_rate`` Hz.

        Args:
            sample_rate: Rate in Hz.
            mono: Whether the channels are averaged into one.
            resampling: Kernel for another rate than that of the file; see :func:`avmm.media.resampling.resample`.

        Raises:
            NoSoundError: If a video has no sound track.
            DataError: If the file is missing, empty, truncated, or of another kind.
        """
        key = (sample_rate, mono, resampling)
        if key not in self._sounds:
            self._sounds[key], _ = read_sound(self.path, sample_rate, mono, self.start, self.duration, resampling)
        return self._sounds[key]


class FeatureExtractor(BaseModule):
    """Base of the extractors, which are registered in EXTRACTORS.

    A subclass sets the attributes and writes :meth:`load` and :meth:`forward`, and :meth:`finish` if the rows of an
    item are not its feature already.

    Attributes:
        modality: ``'audio'`` or ``'visual'``; set by the class.
        spec: Shape and type of what an item gets, such as ``ArraySpec((10, 7, 7, 512))`` or, where the length of the
            clip decides, ``ArraySpec((None, 128))``; set by ``__init__``.
        batch_size: Units that are on the device at once, unless the run says otherwise.

    Example:
        >>> @EXTRACTORS.register_module()  # doctest: +SKIP
        ... class Loudness(FeatureExtractor):
        ...     modality = 'audio'
        ...
        ...     def __init__(self, init_cfg=None):
        ...         super().__init__(init_cfg)
        ...         self.spec = ArraySpec((None, 1))
        ...
        ...     def load(self, media):
        ...         sound = torch.from_numpy(media.sound(16000, mono=True))[0]
        ...         return sound[:len(sound) // 16000 * 16000].view(-1, 16000)
        ...
        ...     def forward(self, units):
        ...         return units.square().mean(1, keepdim=True)
    """
    modality: str
    spec: ArraySpec
    batch_size: int = 32

    @abstractmethod
    def load(self, media: Media) -> Tensor:
        """Decode and prepare one item, on the CPU; runs in a worker process, which has buffers but no parameters.

        Everything that is random or depends on the device belongs elsewhere: an item gives the same units always.

        Args:
            media: The clip.

        Returns:
            Its units ``(N, ...)``, in the type in which they travel cheapest: uint8 for frames.

        Raises:
            DataError: If the item cannot be done; the run reports the reason and goes on.
        """

    @abstractmethod
    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, ...)`` of units ``(M, ...)`` on the device; they may come from several items."""

    def finish(self, features: Tensor) -> np.ndarray:
        """The feature of one item from those of its units.

        Args:
            features: ``(N, ...)`` on the CPU, float32 also in mixed precision.

        Returns:
            An array that fits ``spec``. By default the features as they are, in the type of ``spec``.
        """
        return features.numpy().astype(self.spec.dtype, copy=False)

    def for_workers(self) -> FeatureExtractor:
        """A copy without the memory of the parameters, for the processes that only load."""
        kept = {id(p): nn.Parameter(torch.empty(0, dtype=p.dtype), requires_grad=False) for p in self.parameters()}
        return copy.deepcopy(self, kept)

    def check(self, name: str) -> None:
        """Check that a subclass has set what it has to.

        Raises:
            ConfigError: Naming what is missing.
        """
        if getattr(self, 'modality', None) not in MODALITIES:
            raise ConfigError(f'extractors.{name}: {type(self).__name__} must set modality to audio or visual')
        if not isinstance(getattr(self, 'spec', None), ArraySpec):
            raise ConfigError(f'extractors.{name}: {type(self).__name__} must set spec to an ArraySpec')
