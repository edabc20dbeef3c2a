"""Features of frames by any network of torchvision."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.extractors.frames import (
    center_crop,
    even_times,
    frame_count,
    indices_in_file,
    load_frames,
    normalize,
    resize,
)
from avmm.models.encoders import TorchvisionEncoder
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError


@EXTRACTORS.register_module()
class TorchvisionFeatures(FeatureExtractor):
    """What a classification network of torchvision gives before its last layer, frame by frame.

    Args:
        name: Name of the network in ``torchvision.models``, such as ``'resnet50'`` or ``'convnext_base'``.
        weights: A file of weights in torchvision's names; random weights by default.
        rate: Frames a second, at equal times; an item gets ``(None, D)``.
        num_frames: In its place a number of frames, in the middles of equal parts of the clip; ``(num_frames, D)``.
        pool: Whether an item gets the mean over its frames, ``(D,)``.
        resize_to: Shorter side of a frame after resizing, in pixels.
        crop: Side of the square in the middle that the network sees.
        mean: Subtracted from each colour in [0, 1].
        std: Divides it.
        dtype: Type of the features.
        batch_size: Frames of a batch.
        options: Further options of the network.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If torchvision has no such network, or not one of ``rate`` and ``num_frames`` is given.
        CheckpointError: If the file of weights does not fit.
    """
    modality = 'visual'

    def __init__(self, name: str, weights: str | None = None, rate: float | None = None,
                 num_frames: int | None = None, pool: bool = False, resize_to: int = 256, crop: int = 224,
                 mean: tuple[float, ...] = (0.485, 0.456, 0.406), std: tuple[float, ...] = (0.229, 0.224, 0.225),
                 dtype: str = 'float32', batch_size: int = 64, options: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if (rate is None) == (num_frames is None) or (rate or num_frames) <= 0:
            raise ConfigError('TorchvisionFeatures: give rate or num_frames, one of them and above 0; got '
                              f'rate={rate}, num_frames={num_frames}')
        if crop > resize_to:
            raise ConfigError(f'TorchvisionFeatures: crop={crop} is larger than resize_to={resize_to}')
        self.rate, self.num_frames, self.pool = rate, num_frames, pool
        self.resize_to, self.crop, self.batch_size = resize_to, crop, batch_size
        self.net = TorchvisionEncoder(name, weights=weights, **(options or {}))
        self.register_buffer('mean', torch.tensor(mean), persistent=False)
        self.register_buffer('std', torch.tensor(std), persistent=False)
        shape = (self.net.out_channels, )
        self.spec = ArraySpec(shape if pool else (num_frames, *shape), dtype)

    def load(self, media: Media) -> Tensor:
        """Frames ``(N, 3, crop, crop)``, uint8."""
        if self.rate is not None:
            indices = media.video().index_at(even_times(media, self.rate))
        else:
            middles = (np.arange(self.num_frames) + 0.5) * frame_count(media) / self.num_frames
            indices = indices_in_file(media, middles)
        return load_frames(media, indices, lambda x: center_crop(resize(x, self.resize_to), self.crop))

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, D)`` of frames ``(M, 3, crop, crop)``."""
        return self.net(normalize(units, self.mean, self.std))

    def finish(self, features: Tensor) -> np.ndarray:
        """Features ``(N, D)``, or their mean ``(D,)``."""
        return super().finish(features.mean(0) if self.pool else features)
