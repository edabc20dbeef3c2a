"""Weights of the released AVE baselines, both ways."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import h5py
import numpy as np
import torch
from torch import Tensor

from avmm.engine.checkpoint import write_atomically
from avmm.utils import CheckpointError
from avmm.utils.conversion import NameTable
from avmm.utils.safe_pickle import InertObject
from avmm.utils.torch_pickle import inert_state_dict, load_torch_pickle

#: Classes of the networks in ``AV_att.pt``, ``DMRN.pt`` and ``AV_att_weak.pt``, which are pickled whole.
AVEL_CLASSES = ('models.att_Net', 'models_fusion.TBMRF_Net', 'models_weakly.att_Net')

# Official names and ours.
_AVEL = NameTable([
    ('lstm_audio', 'branches.audio.lstm'), ('lstm_video', 'branches.visual.lstm'),
    ('affine_audio', 'attention.audio'), ('affine_video', 'attention.visual'), ('affine_v', 'attention.cells'),
    ('affine_g', 'attention.guide'), ('affine_h', 'attention.score'),
    ('U_v', 'fusion.update.visual'), ('U_a', 'fusion.update.audio'), ('L1', 'head.hidden'), ('L2', 'head.classifier')])
_MATCHING = NameTable([('video_fc1', 'branches.visual.0'), ('video_fc2', 'branches.visual.2'),
                       ('audio_fc1', 'branches.audio.0'), ('audio_fc2', 'branches.audio.2')])
_KERAS_VIDEO, _KERAS_AUDIO = ('dense_1', 'dense_2'), ('dense_3', 'dense_4')


def avel_from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of an :class:`AVELNet` from that of ``att_Net`` or ``TBMRF_Net``, in either setting.

    Raises:
        CheckpointError: If a name is not one of theirs.
    """
    return _AVEL.from_official(state)


def avel_to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`avel_from_official`."""
    return _AVEL.to_official(state)


def matching_from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of a :class:`CrossModalMatching` from tensors ``{video,audio}_fc{1,2}.{weight,bias}``.

    Raises:
        CheckpointError: If a name is another one.
    """
    return _MATCHING.from_official(state)


def matching_to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`matching_from_official`."""
    return _MATCHING.to_official(state)


def matching_from_keras(arrays: Mapping[str, np.ndarray], video_layers: Sequence[str] = _KERAS_VIDEO,
                        audio_layers: Sequence[str] = _KERAS_AUDIO) -> dict[str, Tensor]:
    """State of a :class:`CrossModalMatching` from ``<layer>.kernel`` ``(in, out)`` and ``<layer>.bias``.

    Args:
        arrays: As :func:`read_keras_weights` gives them.
        video_layers: Names of the two layers of the visual branch.
        audio_layers: Names of the two layers of the audio branch.

    Raises:
        CheckpointError: If an array is missing.
    """
    state = {}
    for layer, ours in _keras_names(video_layers, audio_layers).items():
        for leaf in ('kernel', 'bias'):
            if f'{layer}.{leaf}' not in arrays:
                raise CheckpointError(f'the Keras weights have no {layer}.{leaf}; there are '
                                      f'{", ".join(sorted(arrays)) or "none"}')
        # Keras keeps (in, out), torch (out, in).
        state[f'{ours}.weight'] = torch.tensor(np.ascontiguousarray(arrays[f'{layer}.kernel'].T))
        state[f'{ours}.bias'] = torch.tensor(arrays[f'{layer}.bias'])
    return state


def matching_to_keras(state: Mapping[str, Tensor], video_layers: Sequence[str] = _KERAS_VIDEO,
                      audio_layers: Sequence[str] = _KERAS_AUDIO) -> dict[str, np.ndarray]:
    """The inverse of :func:`matching_from_keras`."""
    arrays = {}
    for layer, ours in _keras_names(video_layers, audio_layers).items():
        arrays[f'{layer}.kernel'] = np.ascontiguousarray(state[f'{ours}.weight'].detach().cpu().numpy().T)
        arrays[f'{layer}.bias'] = state[f'{ours}.bias'].detach().cpu().numpy()
    return arrays


def read_avel_checkpoint(path: str | os.PathLike) -> dict[str, Tensor]:
    """Official tensors of a network that was pickled whole, or of a state dict; nothing in the file is run.

    Raises:
        CheckpointError: If the file is torn, or holds anything else.
    """
    content = load_torch_pickle(path, AVEL_CLASSES)
    if isinstance(content, InertObject):
        return {name: value.contiguous() for name, value in inert_state_dict(content).items()}
    if isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    raise CheckpointError(f'{path} holds a {type(content).__name__}, neither a network of AVE nor its state dict')


def read_keras_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """``{'<layer>.kernel': (in, out), '<layer>.bias': (out,)}`` of a weight file of Keras 2.

    The file has a group ``<layer>/<layer>`` with ``kernel:0`` and ``bias:0`` for each layer; a whole model keeps them
    below ``model_weights``.

    Raises:
        CheckpointError: If the file is missing, torn, or has no such group.
    """
    try:
        with h5py.File(path, 'r') as file:
            root = file.get('model_weights', file)
            arrays = {}
            for layer in root:
                group = root[layer].get(layer) if isinstance(root[layer], h5py.Group) else None
                for name in group if isinstance(group, h5py.Group) else ():
                    arrays[f'{layer}.{name.split(":")[0]}'] = group[name][()]
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f'{path}: the Keras weights cannot be read ({reason})') from error
    if not arrays:
        raise CheckpointError(f'{path}: there are no layers of a Keras weight file in it')
    return arrays


def write_keras_weights(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write what :func:`read_keras_weights` reads, in the layout that Keras 2 loads by name and in order.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        layer, leaf = name.rsplit('.', 1)
        layers.setdefault(layer, {})[leaf] = np.asarray(value)
    with write_atomically(path) as file, h5py.File(file, 'w') as content:
        # Arrays of bytes: Keras decodes the names itself.
        content.attrs['layer_names'] = np.array([layer.encode() for layer in layers], 'S')
        content.attrs['backend'], content.attrs['keras_version'] = np.bytes_('tensorflow'), np.bytes_('2.1.4')
        for layer, leaves in layers.items():
            names = [f'{layer}/{leaf}:0' for leaf in leaves]
            group = content.create_group(layer)
            group.attrs['weight_names'] = np.array([name.encode() for name in names])
            for name, value in zip(names, leaves.values(), strict=True):
                group.create_dataset(name, data=value)


def _keras_names(video_layers: Sequence[str], audio_layers: Sequence[str]) -> dict[str, str]:
    layers = dict(visual=tuple(video_layers), audio=tuple(audio_layers))
    return {layer: f'branches.{m}.{place}' for m, names in layers.items()
            for layer, place in zip(names, (0, 2), strict=True)}
