"""Official checkpoints of CMRAN and of the AVE baselines, and back."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avmm.engine.checkpoint import save_checkpoint
from avmm.models.localizers.official import UNUSED_NAMES, fill_stacks, official_names
from avmm.utils.conversion import Converter, NameTable, state_converter
from projects.cmran.cmran import avel_converter as avel

State = Mapping[str, Tensor]

_AGSCA = {'affine_video_1': 'gate.visual', 'affine_audio_1': 'gate.audio', 'affine_bottleneck': 'gate.squeeze',
          'affine_v_c_att': 'gate.excite', 'affine_video_2': 'visual', 'affine_audio_2': 'audio',
          'affine_v_s_att': 'score'}
_GUIDED = 'spatial_channel_att.affine_video_guided_'

NAMES = NameTable(
    [*((f'spatial_channel_att.{official}', f'branches.visual.attention.{ours}') for official, ours in _AGSCA.items()),
     *official_names(), ('localize_module.classifier', 'head.event'),
     ('localize_module.event_classifier', 'head.classes')],
    unused=[*UNUSED_NAMES, _GUIDED.replace('.', r'\.')])


def from_official(state: State) -> dict[str, Tensor]:
    """State of a ``CrossModalLocalizer`` with ``AGSCA``, in either setting, from the official one.

    The 68 tensors that the official program stores and never uses are left out; :func:`unused_tensors` gives them. A
    leading ``module.`` is dropped, the type of the tensors (float64) stays.

    Raises:
        CheckpointError: If a tensor belongs to another model.
    """
    return NAMES.from_official(state)


def unused_tensors(state: State) -> dict[str, Tensor]:
    """Official tensors that no forward of the official model uses, by their names without ``module.``."""
    return NAMES.unused(state)


def to_official(state: State, unused: State | None = None) -> dict[str, Tensor]:
    """The inverse of :func:`from_official`, without ``module.``.

    Args:
        state: Our tensors, or anything else by their names, such as gradients.
        unused: The tensors that :func:`from_official` left out, for an exact round trip.
    """
    return NAMES.to_official(state, unused)


def fill_unused(state: State) -> dict[str, Tensor]:
    """Stand-ins for the unused tensors, as an official model has them before it is trained.

    See :func:`~avmm.models.localizers.official.fill_stacks`; the two layers of the visual guidance are drawn anew, the
    same ones every time.

    Args:
        state: Official tensors that are used, without ``module.``.
    """
    filled = fill_stacks(state)
    reference = state['v_fc.weight']
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Linear(reference.shape[0], 64), nn.Linear(64, 128))
    for i, layer in enumerate(layers, start=1):
        filled |= {f'{_GUIDED}{i}.{leaf}': value.to(reference.dtype) for leaf, value in layer.state_dict().items()}
    return filled


def _read_avel(path: Path, trust: bool, keep_unused: bool) -> dict[str, Any]:
    return dict(state_dict=avel.avel_from_official(avel.read_avel_checkpoint(path)),
                meta=dict(converted_from=path.name))


def _write_avel(checkpoint: Mapping[str, Any], path: Path) -> None:
    save_checkpoint(avel.avel_to_official(checkpoint['state_dict']), path)


def _read_matching(path: Path, trust: bool, keep_unused: bool) -> dict[str, Any]:
    return dict(state_dict=avel.matching_from_keras(avel.read_keras_weights(path)),
                meta=dict(converted_from=path.name))


def _write_matching(checkpoint: Mapping[str, Any], path: Path) -> None:
    avel.write_keras_weights(path, avel.matching_to_keras(checkpoint['state_dict']))


#: What ``tools/model_converters/convert.py`` can convert; the first one is its default.
CONVERTERS = {
    'cmran': state_converter('state dict of CMRAN, either setting', NAMES, fill_unused),
    'avel': Converter('AV_att.pt, DMRN.pt, AV_att_weak.pt: networks pickled whole; nothing in them is run', _read_avel,
                      _write_avel),
    'matching': Converter('cmm_model_weights.h5: Keras weights of the matching network', _read_matching,
                          _write_matching),
}
