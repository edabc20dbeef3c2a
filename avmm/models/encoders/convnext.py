"""ConvNeXt for frames and for spectrograms."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from avmm.models.encoders.torchvision_encoder import TorchvisionEncoder
from avmm.registry import MODELS
from avmm.utils import ConfigError

SIZES = ('tiny', 'small', 'base', 'large')


@MODELS.register_module()
class ConvNeXtEncoder(TorchvisionEncoder):
    """`ConvNeXt <https://arxiv.org/abs/2201.03545>`_ without its classifier, in torchvision's implementation.

    With ``in_channels=1`` the stem is the sum of the three-channel stem over the colours, as audio models that start
    from photographs do (`UAVM <https://arxiv.org/abs/2208.00061>`_). The pooled features are normalised by the layer
    norm of the published classifier; :meth:`feature_maps` gives the maps before it, :meth:`feature_steps` those of a
    spectrogram averaged over the frequencies.

    Args:
        size: ``'tiny'``, ``'small'``, ``'base'`` or ``'large'``: features of width 768, 768, 1024, 1536. For small
            data, ``dict(channels=(24, 48, 96, 192), depths=(2, 2, 4, 2))`` says width and blocks of each stage.
        in_channels: 1 for a spectrogram, 3 for frames.
        weights: A file of weights in torchvision's names; random weights by default.
        normalise: Whether pooled features pass the layer norm. Without it, the encoder does not have one.
        init_cfg: Initialisation of mmengine.
        **options: Further options, such as ``stochastic_depth_prob=0.5`` or ``layer_scale=1e-6``.

    Raises:
        ConfigError: If the size is unknown, or its stages make no sense.
    """

    def __init__(self, size: str | Mapping = 'tiny', in_channels: int = 3, weights: str | None = None,
                 normalise: bool = True, init_cfg: dict | None = None, **options):
        if isinstance(size, Mapping):
            super().__init__(_of_stages(size, options), in_channels, weights, init_cfg)
        elif size in SIZES:
            super().__init__(f'convnext_{size}', in_channels, weights, init_cfg, **options)
        else:
            raise ConfigError(f'ConvNeXtEncoder: size={size!r} is unknown; use one of {", ".join(SIZES)}')
        if not normalise:
            self.net.classifier[0] = nn.Identity()

    def feature_maps(self, images: Tensor) -> Tensor:
        """Maps of the last stage ``(N, D, H/32, W/32)`` of images ``(N, in_channels, H, W)``."""
        return self.net.features(images)

    def feature_steps(self, spectrograms: Tensor) -> Tensor:
        """Features of time steps ``(N, T', D)`` of spectrograms ``(N, in_channels, F, T)``.

        The maps of the last stage, averaged over frequency and not normalised. T is divided by 4, then halved three
        times, and rounded down each time: 1000 frames become 31.
        """
        return self.steps(self.feature_maps(spectrograms))

    @staticmethod
    def steps(maps: Tensor) -> Tensor:
        """Features of time steps ``(N, T', D)`` of the maps ``(N, D, F', T')`` of spectrograms."""
        return maps.mean(2).transpose(1, 2)

    def encode(self, images: Tensor) -> Tensor:
        """Features ``(N, D)``: the maps averaged over space, then normalised."""
        return self.pool(self.feature_maps(images))

    def pool(self, maps: Tensor) -> Tensor:
        """Features ``(N, D)`` of :meth:`feature_maps` ``(N, D, H/32, W/32)``."""
        return torch.flatten(self.net.classifier(self.net.avgpool(maps)), 1)


def _of_stages(size: Mapping, options: Mapping) -> ConvNeXt:
    """The network of stages of the given widths and numbers of blocks."""
    channels, depths = size.get('channels'), size.get('depths')
    if (set(size) != {'channels', 'depths'} or not _positive(channels) or not _positive(depths)
            or len(channels) != len(depths) or sum(depths) < 2):
        raise ConfigError(f'ConvNeXtEncoder: size={dict(size)!r}; write it as dict(channels=(24, 48, 96, 192), '
                          'depths=(2, 2, 4, 2)), a width and a number of blocks of each stage, two blocks or more')
    stages = [CNBlockConfig(*widths, depth)
              for *widths, depth in zip(channels, [*channels[1:], None], depths, strict=True)]
    # torchvision's class swallows options that it does not know.
    unknown = set(options) - {'stochastic_depth_prob', 'layer_scale'}
    if unknown:
        raise ConfigError(f'ConvNeXtEncoder of {len(stages)} stages takes stochastic_depth_prob and layer_scale, not '
                          f'{", ".join(sorted(unknown))}')
    return ConvNeXt(stages, **options)


def _positive(numbers: object) -> bool:
    return (isinstance(numbers, Sequence) and not isinstance(numbers, str)
            and all(isinstance(n, int) and n > 0 for n in numbers) and len(numbers) > 0)
