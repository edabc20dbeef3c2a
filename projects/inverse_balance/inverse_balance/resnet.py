"""The pre-activation ResNet-18 that can fire."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.encoders import Encoder
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.inverse_balance.inverse_balance.batch_norm import StepBatchNorm2d
from projects.inverse_balance.inverse_balance.encodings import ENCODINGS


class _Parts:
    """Builds the normalisations and nodes of one network."""

    def __init__(self, node: dict, steps: int, repeats: int, joint: bool):
        self.node_cfg, self.steps, self.repeats, self.joint = node, steps, repeats, joint

    def norm(self, channels: int) -> StepBatchNorm2d:
        return StepBatchNorm2d(channels, self.steps, self.repeats, self.joint)

    def node(self) -> nn.Module:
        return MODELS.build(dict(self.node_cfg, steps=self.steps))


class _Block(nn.Module):
    """``conv2(node2(bn2(conv1(node1(bn1(x))))))``, added to x or to a strided 1 x 1 convolution of it."""

    def __init__(self, parts: _Parts, channels: int, width: int, stride: int):
        super().__init__()
        self.bn1, self.node1 = parts.norm(channels), parts.node()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.node2, self.bn2 = parts.node(), parts.norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.downsample = None if stride == 1 and channels == width else nn.Sequential(
            parts.norm(channels), parts.node(), nn.Conv2d(channels, width, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.node1(self.bn1(x)))
        y = self.conv2(self.node2(self.bn2(y)))
        return y + (x if self.downsample is None else self.downsample(x))


@MODELS.register_module()
class PreActResNet18(Encoder):
    """Pre-activation ResNet-18 with spiking or rectifying nodes, for frames (3 channels) or spectrograms (1 channel).

    "Identity Mappings in Deep Residual Networks" (ECCV 2016), figure 4e, in the variant of released spiking networks:
    a stem of convolution, normalisation, node and pooling; shortcuts that change the shape normalise and activate the
    input once more; neither normalisation nor node after the last stage. The tensor names are those of the released
    checkpoints, with a ``threshold`` in every node and an unused ``fc``, which are there for loading only.

    The network can be unrolled over time. With T outer ``steps``, each with S ``inner_steps``:

    * ``reset_each_step=True``, as released: the membranes are emptied before each outer step, so all T are equal. The
      network runs **once**, and the running statistics of the normalisations move as if it had run T times. With
      ``ReLUNode`` this is the published "SNN" recipe, at the price of the ANN.
    * ``reset_each_step=False``: the membranes persist over the T steps, one spiking network that unfolds in time. The
      features then have a time axis ``(B, T, D)``, which ``AVClassifier`` fuses step by step and averages.

    All steps go through a layer together; the results are those of a loop over time.

    Args:
        in_channels: 1 for a spectrogram, 3 for frames.
        node: Config of the nodes: ``ReLUNode``, ``LIFNode``, ``IFNode`` or ``PLIFNode``.
        steps: Number T of outer steps.
        inner_steps: Number S of steps in each of them; 1 unless the membranes are reset.
        reset_each_step: Whether the membranes are emptied before each outer step.
        encoding: Images to steps: ``direct`` (the image in each), ``rate``, ``ttfs`` or ``phase``; all but ``direct``
            expect intensities in [0, 1].
        joint_norm: Normalise all steps with common statistics in training. It is faster and gives other numbers.
        channels_last: Keep activations and weights in the channels-last layout.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If the options contradict each other.

    Example:
        >>> snn = PreActResNet18(node=dict(type='LIFNode'), steps=4, reset_each_step=False)
        >>> snn(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 4, 512])
    """

    out_channels = 512

    def __init__(self, in_channels: int = 3, node: dict | None = None, steps: int = 1, inner_steps: int = 1,
                 reset_each_step: bool = True, encoding: str = 'direct', joint_norm: bool = False,
                 channels_last: bool = False, init_cfg: dict | None = None):
        super().__init__(in_channels, init_cfg)
        self._check(steps, inner_steps, reset_each_step, encoding)
        node = dict(node or dict(type='ReLUNode', inplace=True))
        self.unrolled = inner_steps if reset_each_step else steps
        self.keep_steps = not reset_each_step and steps > 1
        self.encoding, self.channels_last = encoding, channels_last
        parts = _Parts(node, self.unrolled, steps if reset_each_step else 1, joint_norm)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        # The image is the same in all steps of the direct encoding: what is done to it before the first node is too.
        self.early = encoding == 'direct'
        repeats = parts.repeats * (1 if joint_norm else self.unrolled)
        self.bn1 = StepBatchNorm2d(64, 1, repeats) if self.early else parts.norm(64)
        self.node1 = parts.node()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [64, 64, 128, 256, 512]
        for i, (channels, width) in enumerate(zip(widths, widths[1:], strict=False), 1):
            setattr(self, f'layer{i}', nn.Sequential(_Block(parts, channels, width, 1 if i == 1 else 2),
                                                     _Block(parts, width, width, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        self.fc = nn.Linear(512, 10).requires_grad_(False)
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @staticmethod
    def _check(steps: int, inner_steps: int, reset_each_step: bool, encoding: str) -> None:
        if min(steps, inner_steps) < 1:
            raise ConfigError(f'PreActResNet18: steps={steps}, inner_steps={inner_steps}; both are 1 or more')
        if encoding not in ENCODINGS:
            raise ConfigError(f'PreActResNet18: encoding={encoding!r} is unknown; use one of {", ".join(ENCODINGS)}')
        if not reset_each_step and inner_steps > 1:
            raise ConfigError(f'PreActResNet18: inner_steps={inner_steps} needs reset_each_step=True; '
                              'membranes that persist have the outer steps alone')
        if reset_each_step and steps > 1 and encoding == 'rate':
            raise ConfigError("PreActResNet18: encoding='rate' draws anew in each step, so the outer steps are not "
                              'equal; use inner_steps in place of steps, or reset_each_step=False')

    def unrolled_maps(self, images: Tensor) -> Tensor:
        """Maps of the last stage ``(S * N, 512, H/32, W/32)``, all maps of a step together."""
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        if self.early:
            x = self.bn1(self.conv1(images))
            x = x.repeat(self.unrolled, 1, 1, 1) if self.unrolled > 1 else x
        else:
            x = self.bn1(self.conv1(ENCODINGS[self.encoding](images, self.unrolled).flatten(0, 1)))
        x = self.maxpool(self.node1(x))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def feature_maps(self, images: Tensor) -> Tensor:
        """Maps of the last stage, averaged over the steps ``(N, 512, H/32, W/32)``."""
        maps = self.unrolled_maps(images)
        return maps if self.unrolled == 1 else maps.unflatten(0, (self.unrolled, -1)).mean(0)

    def encode(self, images: Tensor) -> Tensor:
        """Features ``(N, 512)``, the maps averaged over space and steps; ``(N, T, 512)`` if membranes persist."""
        pooled = F.adaptive_avg_pool2d(self.unrolled_maps(images), 1).flatten(1)
        if self.unrolled == 1:
            return pooled
        pooled = pooled.unflatten(0, (self.unrolled, -1))
        return pooled.transpose(0, 1) if self.keep_steps else pooled.mean(0)
