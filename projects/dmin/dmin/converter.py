"""Official checkpoints of DMIN and DCMR, and back."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from avmm.models.localizers.official import UNUSED_NAMES, official_names
from avmm.utils import CheckpointError
from avmm.utils.conversion import NameTable, state_converter
from projects.dmin.dmin.official_init import official_state

State = Mapping[str, Tensor]

_AGTA = {'affine_video_1': 'gate.visual', 'affine_audio_1': 'gate.audio', 'affine_bottleneck': 'gate.squeeze',
         'affine_v_c_att': 'gate.excite', 'affine_video_2': 'visual', 'affine_audio_2': 'audio',
         'affine_v_s_att': 'score', 'Linear_visual': 'temporal_visual', 'Linear_audio': 'temporal_audio',
         'lstm': 'lstm'}
_HEAD = {'classifier': 'event', 'classifier_self': 'unimodal_event', 'event_classifier': 'classes',
         'event_self': 'unimodal_classes'}
_PAIRS = [*((f'spatial_channel_att.{official}', f'branches.visual.attention.{ours}')
            for official, ours in _AGTA.items()), *official_names(),
          *((f'localize_module.{official}', f'head.{ours}') for official, ours in _HEAD.items())]
_CLASS_LAYERS = r'localize_module\.event_'

#: Of event localisation, in either setting.
NAMES = NameTable(_PAIRS, unused=[*UNUSED_NAMES, r'spatial_channel_att\.affine_video_guided_'])
#: Of cross-modality localisation, which has no visual attention and no interaction; with and without the layers for
#: classes, which no loss reads.
MATCHING_AND_CLASSES = NameTable(_PAIRS, unused=[*UNUSED_NAMES, r'spatial_channel_att\.', r'v_fc\.', r'AVInter\.'])
MATCHING_NAMES = NameTable(
    _PAIRS, unused=[*UNUSED_NAMES, r'spatial_channel_att\.', r'v_fc\.', r'AVInter\.', _CLASS_LAYERS])


def from_official(state: State, matching: bool = False, class_layers: bool = False) -> dict[str, Tensor]:
    """State of our model from the official one.

    Tensors that the official program stores and never uses are left out (68 of event localisation, 114 of
    cross-modality localisation); :func:`unused_tensors` gives them. A leading ``module.`` is dropped, the type
    (float64) stays.

    Args:
        state: Official tensors.
        matching: Whether they are of cross-modality localisation (a2v, v2a), for :class:`DCMR`; else of event
            localisation, for a :class:`CrossModalLocalizer` with :class:`AGTA`.
        class_layers: Keep the class layers of ``matching``, for a :class:`WindowHead` that has them.

    Raises:
        CheckpointError: If a tensor belongs to another model.
    """
    return _table(matching, class_layers).from_official(state)


def unused_tensors(state: State, matching: bool = False, class_layers: bool = False) -> dict[str, Tensor]:
    """What :func:`from_official` leaves out, by names without ``module.``."""
    return _table(matching, class_layers).unused(state)


def to_official(state: State, unused: State | None = None) -> dict[str, Tensor]:
    """The inverse of :func:`from_official`, without ``module.``.

    Args:
        state: Our tensors, or anything else by their names, such as gradients.
        unused: The tensors that :func:`from_official` left out, for an exact round trip.
    """
    return NAMES.to_official(state, unused)


def fill_unused(state: State) -> dict[str, Tensor]:
    """Stand-ins for unused tensors, as an untrained official model has them; the same ones every time.

    Args:
        state: Official tensors that are used, without ``module.``.

    Raises:
        CheckpointError: If a tensor has another shape than in the official program, which could not read it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = official_state('weak' if 'localize_module.classifier_self.weight' in state else 'supervised')
    for name, value in state.items():
        if name not in drawn or drawn[name].shape != value.shape:
            raise CheckpointError(f'{name} {tuple(value.shape)} does not fit the official program, which has '
                                  f'{tuple(drawn[name].shape) if name in drawn else "no such tensor"}')
    dtype = state['audio_encoder.affine_matrix.weight'].dtype
    filled = {name: value.to(dtype) for name, value in drawn.items() if name not in state}
    for name in filled:
        # The template of a stack is what its layers were copied from.
        stack = 'encoder' if '.encoder_layer.' in name else 'decoder'
        twin = name.replace(f'.{stack}_layer.', f'.{stack}.layers.0.')
        filled[name] = filled[name] if twin not in state else state[twin].clone()
    return filled


def _table(matching: bool, class_layers: bool) -> NameTable:
    if not matching:
        return NAMES
    return MATCHING_AND_CLASSES if class_layers else MATCHING_NAMES


#: What ``tools/model_converters/convert.py`` can convert; the first one is its default.
CONVERTERS = {
    'dmin': state_converter('state dict of DMIN, either setting', NAMES, fill_unused),
    'dcmr': state_converter('state dict of DCMR, either direction', MATCHING_NAMES, fill_unused),
}
