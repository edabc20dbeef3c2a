"""Maps of VGG-19."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.models.vgg import cfgs, make_layers

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.extractors.frames import frame_count, indices_in_file, load_frames, normalize, resize
from avmm.models.encoders.weights import fill_weights, read_weights
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError


@EXTRACTORS.register_module()
class VGG19Maps(FeatureExtractor):
    """Spatial maps of VGG-19 in each segment of a clip, as `AVE <https://arxiv.org/abs/1803.08842>`_ has them.

    A clip of n frames has segments of ``n // num_segments``; ``frames_per_segment`` frames at equal steps in each are
    resized, and their last maps (``pool5``, 7 x 7 x 512) averaged.

    Args:
        weights: A file of weights in torchvision's names; random weights by default.
        num_segments: Segments of a clip.
        frames_per_segment: Frames whose maps are averaged.
        size: Height and width in pixels; the maps have a 32nd of it.
        mean: Subtracted from each colour in [0, 1].
        std: Divides it.
        bgr: Whether blue comes first, for weights that were trained so.
        dtype: Type of the features.
        batch_size: Frames of a batch.
        init_cfg: Initialisation of mmengine.
    """
    modality = 'visual'

    def __init__(self, weights: str | None = None, num_segments: int = 10, frames_per_segment: int = 16,
                 size: int = 224, mean: tuple[float, ...] = (0.485, 0.456, 0.406),
                 std: tuple[float, ...] = (0.229, 0.224, 0.225), bgr: bool = False, dtype: str = 'float32',
                 batch_size: int = 32, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if num_segments < 1 or frames_per_segment < 1 or size < 32:
            raise ConfigError('VGG19Maps: num_segments and frames_per_segment must be at least 1 and size at least '
                              f'32, got {num_segments}, {frames_per_segment} and {size}')
        self.num_segments, self.frames_per_segment, self.size, self.bgr = num_segments, frames_per_segment, size, bgr
        self.batch_size = batch_size
        # The dense layers, nine tenths of VGG-19, are not needed.
        self.features = make_layers(cfgs['E'])
        if weights is not None:
            state = {name.removeprefix('features.'): value for name, value in read_weights(weights).items()}
            fill_weights(self.features, state, weights)
        self.register_buffer('mean', torch.tensor(mean), persistent=False)
        self.register_buffer('std', torch.tensor(std), persistent=False)
        self.spec = ArraySpec((num_segments, size // 32, size // 32, 512), dtype)

    def load(self, media: Media) -> Tensor:
        """Frames ``(num_segments * frames_per_segment, 3, size, size)``, uint8."""
        chosen = segment_frames(frame_count(media), self.num_segments, self.frames_per_segment)
        return load_frames(media, indices_in_file(media, chosen), lambda x: resize(x, (self.size, self.size)))

    def forward(self, units: Tensor) -> Tensor:
        """Maps ``(M, 7, 7, 512)`` of frames ``(M, 3, size, size)``."""
        units = units.flip(1) if self.bgr else units
        return self.features(normalize(units, self.mean, self.std)).permute(0, 2, 3, 1)

    def finish(self, features: Tensor) -> np.ndarray:
        """Maps ``(num_segments, 7, 7, 512)``, averaged over the frames of each segment."""
        return super().finish(features.unflatten(0, (self.num_segments, -1)).mean(1))


def segment_frames(num_frames: int, num_segments: int = 10, per_segment: int = 16) -> np.ndarray:
    """Indices of the frames of each segment, in order: ``floor(s n + i n / per_segment)``, n frames a segment.

    Example:
        >>> segment_frames(250)[[0, 1, 2, 15, 16, 159]].tolist()
        [0, 1, 3, 23, 25, 248]
    """
    interval = num_frames // num_segments
    steps = np.arange(per_segment) / per_segment * interval
    return np.floor(np.arange(num_segments)[:, None] * interval + steps).astype(np.int64).reshape(-1)
