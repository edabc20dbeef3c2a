"""Any classification backbone of torchvision as an encoder."""
from __future__ import annotations

import difflib

import torchvision
from torch import Tensor, nn

from avmm.models.encoders.base import Encoder
from avmm.models.encoders.weights import adapt_stem, load_weights
from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class TorchvisionEncoder(Encoder):
    """A backbone of torchvision without its last layer.

    The first convolution is made for ``in_channels`` by summing its weights over the colours (see
    :func:`~avmm.models.encoders.weights.adapt_stem`), so that a network trained on photographs can start on
    spectrograms. Nothing is downloaded.

    Args:
        name: Name of the network in ``torchvision.models``, such as ``'resnet50'`` or ``'efficientnet_b0'``; or the
            network itself, built of torchvision's parts.
        in_channels: 1 for a spectrogram, 3 for frames.
        weights: A file of weights in torchvision's names; random weights by default.
        init_cfg: Initialisation of mmengine.
        **options: Further options of the network, such as ``stochastic_depth_prob=0.1`` or ``image_size=128``.

    Raises:
        ConfigError: If torchvision has no such classification network, or it has no such option.
        CheckpointError: If the file of weights is missing, broken or of another network.

    Example:
        >>> TorchvisionEncoder('resnet50', in_channels=1)(torch.rand(2, 1, 128, 100)).shape
        torch.Size([2, 2048])
    """

    def __init__(self, name: str | nn.Module, in_channels: int = 3, weights: str | None = None,
                 init_cfg: dict | None = None, **options):
        super().__init__(in_channels, init_cfg)
        self.net = name if isinstance(name, nn.Module) else build_backbone(name, **options)
        if weights is not None:
            load_weights(self.net, weights, ignore=last_layer(self.net) + '.')
        self.out_channels = drop_last_layer(self.net)
        adapt_stem(self.net, in_channels)

    def encode(self, images: Tensor) -> Tensor:
        """Pooled features ``(N, D)`` of images ``(N, in_channels, H, W)``."""
        return self.net(images)


def build_backbone(name: str, **options) -> nn.Module:
    """A classification network of torchvision by name, with random weights and no auxiliary classifiers.

    Raises:
        ConfigError: If there is no such network; the message lists the nearest names.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = ', '.join(difflib.get_close_matches(name, known, n=4, cutoff=0.4)) or ', '.join(known[:4])
        raise ConfigError(f'torchvision has no classification network {name!r}; near it are {near}')
    builder = torchvision.models.get_model_builder(name)
    defaults = {'googlenet': dict(aux_logits=False, init_weights=True),
                'inception_v3': dict(aux_logits=False, init_weights=True)}.get(name, {})
    try:
        return builder(weights=None, **{**defaults, **options})
    except TypeError as error:
        shown = ', '.join(f'{k}={v!r}' for k, v in options.items())
        raise ConfigError(f'{name} of torchvision refuses the options {shown}: {error}') from error


def last_layer(net: nn.Module) -> str:
    """Name of the layer that gives the class scores: the last linear layer, or the last 1x1 convolution after it."""
    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    name, layer = layers[-1]
    assert isinstance(layer, nn.Linear) or layer.kernel_size == (1, 1), f'{name} is no classifier'
    return name


def drop_last_layer(net: nn.Module) -> int:
    """Put an identity in the place of the last layer, and return the width of what it was given."""
    name = last_layer(net)
    layer = net.get_submodule(name)
    parent, _, leaf = name.rpartition('.')
    setattr(net.get_submodule(parent), leaf, nn.Identity())
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
