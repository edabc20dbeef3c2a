"""C3D features of a video."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.extractors.c3d_net import C3DNet
from avmm.extraction.extractors.frames import center_crop, even_times, load_frames, resize
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError

_FRAMES, _SIDE = 16, 112
#: Normalisation of frames in [0, 1], in the order in which the channels come.
MEAN, STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


@EXTRACTORS.register_module()
class C3D(FeatureExtractor):
    """`C3D <https://arxiv.org/abs/1412.0767>`_: 4096 numbers for each 16 frames, as the zero-shot benchmarks of
    `TCAF <https://arxiv.org/abs/2207.09966>`_ have them.

    Frames become 128 x 171 pixels, of which the middle 112 x 112 count; windows lie side by side, and a last one that
    is not full is filled up with frames of zeros. The published features were made from frames with blue first,
    normalised by the numbers of red first; and those of UCF and VGGSound from negatives, in which x became
    ``(256 - x) mod 256``.

    Args:
        weights: A file of weights of the Sports-1M model (``c3d.pickle``). Random weights by default.
        legacy_negative: Whether frames become negatives first.
        bgr: Whether blue comes first.
        rate: Frames a second to take. None takes every frame, whatever the rate of the file.
        mean: Subtracted from each channel in [0, 1], in the order in which the channels come.
        std: Divides it.
        batch_size: Windows of a batch.
        init_cfg: Initialisation of mmengine.
    """
    modality = 'visual'

    def __init__(self, weights: str | None = None, legacy_negative: bool = False, bgr: bool = True,
                 rate: float | None = 25.0, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD,
                 batch_size: int = 8, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if rate is not None and rate <= 0:
            raise ConfigError(f'C3D: rate must be above 0 frames a second, got {rate}')
        self.legacy_negative, self.bgr, self.rate, self.batch_size = legacy_negative, bgr, rate, batch_size
        self.net = C3DNet(weights)
        self.register_buffer('mean', torch.tensor(mean), persistent=False)
        self.register_buffer('std', torch.tensor(std), persistent=False)
        self.spec = ArraySpec((None, self.net.out_channels))

    def load(self, media: Media) -> Tensor:
        """Windows of :func:`windows`."""
        video = media.video()
        indices = video.index_at(even_times(media, self.rate or video.fps))
        return windows(load_frames(media, indices, lambda x: prepare_frames(x, self.bgr, self.legacy_negative)))

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, 4096)`` of windows ``(M, 17, 3, 112, 112)``."""
        return self.net(normalized(units, self.mean, self.std))


def prepare_frames(frames: Tensor, bgr: bool = True, legacy_negative: bool = False) -> Tensor:
    """uint8 frames ``(n, 3, H, W)``, red first, to ``(n, 3, 112, 112)``; see :class:`C3D`."""
    frames = frames.flip(1) if bgr else frames
    # Bytes wrap around: 0 stays 0.
    frames = -frames if legacy_negative else frames
    return center_crop(resize(frames, (128, 171)), _SIDE)


def windows(frames: Tensor) -> Tensor:
    """Windows ``(N, 17, 3, 112, 112)`` of prepared frames, uint8.

    They travel as bytes, in which there is no zero after the normalisation: the first value of the 17th frame of each
    says how many of the others are frames of the video.
    """
    out = frames.new_zeros(-(-len(frames) // _FRAMES), _FRAMES + 1, *frames.shape[1:])
    for i, part in enumerate(frames.split(_FRAMES)):
        out[i, :len(part)] = part
        out[i, _FRAMES, 0, 0, 0] = len(part)
    return out


def normalized(units: Tensor, mean: Tensor | tuple[float, ...] = MEAN,
               std: Tensor | tuple[float, ...] = STD) -> Tensor:
    """What the network takes ``(M, 3, 16, 112, 112)``, of windows ``(M, 17, 3, 112, 112)``."""
    mean, std = (torch.as_tensor(value, device=units.device).view(3, 1, 1) for value in (mean, std))
    frames = (units[:, :_FRAMES].float() / 255 - mean) / std
    inside = torch.arange(_FRAMES, device=units.device) < units[:, _FRAMES, 0, 0, :1]
    return (frames * inside[:, :, None, None, None]).transpose(1, 2)
