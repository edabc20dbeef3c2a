"""A small network that learns in minutes on a laptop."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avmm.models.encoders.base import Encoder
from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class SmallConvNet(Encoder):
    """A stack of 3x3 convolutions with stride 2, each with batch norm and ReLU, averaged over space.

    Made for small images (64 x 64 pixels) and small spectrograms (64 x 64 bins): about four million multiplications an
    image with the default widths, four hundred times fewer than a ResNet-18 at 224 x 224 pixels.

    Args:
        in_channels: 1 for a spectrogram, 3 for frames.
        widths: Channels of each convolution; the last is the width of the features.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If ``widths`` is empty.

    Example:
        >>> SmallConvNet(in_channels=1, widths=(16, 32, 64))(torch.rand(2, 1, 64, 64)).shape
        torch.Size([2, 64])
    """

    def __init__(self, in_channels: int = 3, widths: Sequence[int] = (16, 32, 64, 128), init_cfg: dict | None = None):
        super().__init__(in_channels, init_cfg)
        if not widths:
            raise ConfigError('SmallConvNet: widths is empty; give the channels of each convolution')
        blocks = []
        for narrow, wide in zip((in_channels, *widths[:-1]), widths, strict=True):
            blocks += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(wide),
                       nn.ReLU(inplace=True)]
        self.blocks = nn.Sequential(*blocks)
        self.out_channels = widths[-1]

    def encode(self, images: Tensor) -> Tensor:
        """Features ``(N, widths[-1])`` of images ``(N, in_channels, H, W)``."""
        return torch.flatten(nn.functional.adaptive_avg_pool2d(self.blocks(images), 1), 1)
