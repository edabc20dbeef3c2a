"""The ResNet-18 of the audio-visual balancing papers."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from avmm.models.encoders.base import Encoder
from avmm.registry import MODELS


@MODELS.register_module()
class AVResNet18(Encoder):
    """ResNet-18 without classifier, for frames (3 channels) or spectrograms (1 channel).

    The post-activation `ResNet <https://arxiv.org/abs/1512.03385>`_ (table 1, 18 layers) as used by
    `OGM-GE <https://arxiv.org/abs/2203.15332>`_: convolutions start from the Kaiming normal distribution (fan out,
    ReLU), batch norms from 1 and 0, the maps are averaged over space and frames. Parameter names are those of the
    published models (``conv1``, ``bn1``, ``layer1.0.conv1`` ...) and of torchvision.

    Args:
        in_channels: 1 for a spectrogram, 3 for frames.
        init_cfg: Initialisation of mmengine.

    Example:
        >>> AVResNet18(in_channels=3)(torch.rand(2, 3, 4, 64, 64)).shape  # two clips of four frames
        torch.Size([2, 512])
    """

    out_channels = 512

    def __init__(self, in_channels: int = 3, init_cfg: dict | None = None):
        super().__init__(in_channels, init_cfg)
        net = ResNet(BasicBlock, [2, 2, 2, 2])
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode='fan_out', nonlinearity='relu')
        self.bn1, self.relu, self.maxpool = net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4

    def feature_maps(self, images: Tensor) -> Tensor:
        """Maps of the last stage ``(N, 512, H/32, W/32)`` of images ``(N, in_channels, H, W)``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def encode(self, images: Tensor) -> Tensor:
        """Features ``(N, 512)``: the last maps averaged over space."""
        return torch.flatten(nn.functional.adaptive_avg_pool2d(self.feature_maps(images), 1), 1)
