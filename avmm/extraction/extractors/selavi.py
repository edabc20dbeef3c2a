"""Features of SeLaVi."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.video import r2plus1d_18

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.extractors.frames import load_frames, resize
from avmm.extraction.extractors.sound_fronts import log_filterbank
from avmm.models.encoders.weights import fill_weights, read_weights
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError

_FRAMES, _SIDE, _RATE = 30, 112, 44100


@EXTRACTORS.register_module()
class SeLaVi(FeatureExtractor):
    """One branch of `SeLaVi <https://arxiv.org/abs/2006.13662>`_: 512 numbers for each second of a video.

    ``'visual'`` is an R(2+1)D-18 on 30 frames of 112 x 112 pixels, ``'audio'`` a ResNet-9 on 257 mel bands of one
    second. Both see windows that begin together, one for each second of the video.

    Args:
        modality: ``'visual'`` or ``'audio'``.
        weights: A checkpoint with ``video_network.base.*`` and ``audio_network.base.*``; its heads are left out.
            Random weights by default.
        uniform_tiling: Whether the windows of a video follow each other. Those of the published features begin at a
            fraction of the length that falls back whenever the number of seconds passes a multiple of ten, and crowd
            the beginning of most videos.
        batch_size: Windows of a batch.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If the modality is unknown.
        CheckpointError: If the checkpoint does not fit.
    """

    def __init__(self, modality: str, weights: str | None = None, uniform_tiling: bool = False, batch_size: int = 8,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if modality not in ('visual', 'audio'):
            raise ConfigError(f"SeLaVi: modality must be 'visual' or 'audio', got {modality!r}")
        self.modality, self.uniform_tiling, self.batch_size = modality, uniform_tiling, batch_size
        self.net = r2plus1d_18(weights=None) if modality == 'visual' else resnet9()
        self.net.fc = nn.Identity()
        if weights is not None:
            prefix = 'video_network.base.' if modality == 'visual' else 'audio_network.base.'
            fill_weights(self.net, {name.removeprefix(prefix): value for name, value in read_weights(weights).items()
                                    if name.startswith(prefix)}, weights)
        self.spec = ArraySpec((None, 512))

    def load(self, media: Media) -> Tensor:
        """Windows: frames ``(N, 3, 30, 112, 112)``, float16, or filter banks ``(N, 1, 257, 99)``.

        Raises:
            DataError: If the clip is shorter than a second.
        """
        video = media.video()
        begin = int(video.index_at([media.start])[0]) if media.start else 0
        left = len(video) - begin
        count = left if media.duration is None else min(left, round(media.duration * video.fps))
        starts = window_starts(count, video.fps, self.uniform_tiling)
        if not len(starts):
            raise DataError(f'{media.path}: {count / video.fps:.2f} s of picture, SeLaVi needs a second')
        if self.modality == 'audio':
            return self.sound_windows(media, starts / video.fps)
        steps = np.linspace(0, video.fps - 1, _FRAMES)
        chosen = (starts[:, None] + steps).astype(np.int64).clip(0, count - 1) + begin
        # Windows overlap, and a frame is decoded once.
        different, places = np.unique(chosen, return_inverse=True)
        frames = load_frames(media, different, prepare_frames)
        return frames[torch.from_numpy(places.reshape(chosen.shape))].transpose(1, 2).contiguous()

    @staticmethod
    def sound_windows(media: Media, seconds: np.ndarray) -> Tensor:
        """Filter banks ``(N, 1, 257, 99)`` of the second after each of ``seconds``."""
        sound = media.sound(_RATE, mono=True)[0]
        whole = np.rint(sound * 32768).clip(-32768, 32767)
        if len(whole) < _RATE:
            raise DataError(f'{media.path}: {len(whole) / _RATE:.2f} s of sound, SeLaVi needs a second')
        return filter_banks(whole, seconds)

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, 512)`` of windows."""
        return self.net(units.float())


def resnet9() -> ResNet:
    """A residual network of one block a stage, for one channel."""
    net = ResNet(BasicBlock, [1, 1, 1, 1])
    net.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode='fan_out', nonlinearity='relu')
    return net


def window_starts(num_frames: int, fps: float, uniform_tiling: bool = False) -> np.ndarray:
    """First frames ``(N,)`` of the windows of a video, one for each whole second.

    Example:
        >>> window_starts(250, 25)[:3].tolist(), window_starts(250, 25, True)[:3].tolist()
        ([0, 11, 22], [0, 25, 50])
    """
    count = int(num_frames / fps)
    index = np.arange(count)
    if uniform_tiling:
        return (index * fps).astype(np.int64)
    return (max(num_frames - fps, 0) * (index * 100) / ((count // 10 + 1) * 1000)).astype(np.int64)


def prepare_frames(frames: Tensor) -> Tensor:
    """Frames ``(n, 3, H, W)`` to ``(n, 3, 112, 112)``, float16: half the way of float32, to a thousandth."""
    small = resize((frames.float() / 255 - 0.45) / 0.225, _SIDE, antialias=False)
    top, left = (-(-(side - _SIDE) // 2) for side in small.shape[-2:])
    return small[..., top:top + _SIDE, left:left + _SIDE].half()


def filter_banks(sound: np.ndarray, seconds: np.ndarray, sample_rate: int = _RATE) -> Tensor:
    """Normalised log filter banks ``(N, 1, 257, 99)`` of windows of a second.

    Args:
        sound: ``(L,)`` on the scale of 16 bits, at least a second long.
        seconds: Where the windows begin, in s; those that reach beyond the end are moved to it.
        sample_rate: Rate in Hz.
    """
    first = np.clip((np.asarray(seconds) * sample_rate).astype(np.int64), 0, len(sound) - sample_rate)
    windows = np.lib.stride_tricks.sliding_window_view(sound, sample_rate)[first]
    bank = log_filterbank(windows, sample_rate).astype(np.float32)
    return (torch.from_numpy(bank).transpose(1, 2)[:, None] - 1.93) / 17.89
