"""Starting an encoder from the weights of another one."""
from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from avmm.utils import CheckpointError


def adapt_stem(net: nn.Module, in_channels: int) -> None:
    """Make the first convolution of ``net`` take ``in_channels`` channels, in place.

    Each new channel gets the sum of the old weights over their channels, divided by the number of new ones: an image
    of k equal channels gives what k = 1 gives, and one channel gives what the same grey image gave in colour.

    Args:
        net: A network whose first convolution has no groups.
        in_channels: Number of channels k.
    """
    name, stem = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    if stem.in_channels == in_channels:
        return
    weight = stem.weight.detach().sum(dim=1, keepdim=True).repeat(1, in_channels, 1, 1) / in_channels
    new = nn.Conv2d(in_channels, stem.out_channels, stem.kernel_size, stem.stride, stem.padding, stem.dilation,
                    bias=stem.bias is not None, padding_mode=stem.padding_mode)
    new.weight = nn.Parameter(weight)
    if stem.bias is not None:
        new.bias = nn.Parameter(stem.bias.detach().clone())
    net.set_submodule(name, new)


def load_weights(net: nn.Module, path: str, ignore: str = '') -> None:
    """Load a file of plain tensors into ``net``.

    Args:
        net: The network.
        path: A file written by ``torch.save``: a state dict, or a checkpoint with one under ``state_dict``.
        ignore: Prefix of the tensors that may be absent or of another shape, such as a classifier to be replaced.

    Raises:
        CheckpointError: If the file is missing, broken, holds more than tensors, or belongs to another network.
    """
    fill_weights(net, read_weights(path), path, ignore)


def read_weights(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a file written by ``torch.save``: a state dict, or one under ``state_dict`` or ``model``.

    Names lose the ``module.`` that training on several devices puts in front of them.

    Raises:
        CheckpointError: If the file is missing, broken, or holds more than tensors.
    """
    if not Path(path).is_file():
        raise CheckpointError(f'{path}: no such file of weights; correct the path')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f'{path} is torn or holds more than tensors ({reason}); get the file anew') from error
    state = state if isinstance(state, dict) else {}
    for key in ('state_dict', 'model'):
        state = state[key] if isinstance(state.get(key), dict) else state
    return {key.removeprefix('module.'): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def fill_weights(net: nn.Module, state: Mapping[str, torch.Tensor], path: str, ignore: str = '') -> None:
    """Put tensors into ``net`` under their names; those that it does not have are left out.

    Args:
        net: The network.
        state: The tensors.
        path: Where they come from, for the message.
        ignore: Prefix of the tensors that may be absent or of another shape.

    Raises:
        CheckpointError: If some are missing or of another shape.
    """
    own = net.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and value.shape == own[key].shape}
    # Old files do not count the batches that a norm has seen.
    wrong = [key for key in own if key not in fitting and not key.endswith('num_batches_tracked')
             and not (ignore and key.startswith(ignore))]
    if wrong:
        raise CheckpointError(f'{path} does not fit {type(net).__name__}: {len(wrong)} of {len(own)} tensors are '
                              f'missing or of another shape, first {wrong[0]}; is it the file of another network?')
    # Into the network's own state, which carries the version numbers that some layers ask for.
    own.update(fitting)
    net.load_state_dict(own)
