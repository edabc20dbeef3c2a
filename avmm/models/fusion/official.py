"""Tensor names of the released audio-visual classifiers, to and from those of AVMM.

The released code of OGM-GE and of its successors calls its branches x (audio) and y (visual)::

    official = torch.load('ogm_ge_cremad.pth', weights_only=True)
    model.load_state_dict(classifier_from_official(official, model.fusion))
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avmm.models.fusion.attention import AttentionFusion
from avmm.models.fusion.base import Fusion
from avmm.models.fusion.gated import GatedFusion
from avmm.models.fusion.late import LateFusion
from avmm.models.fusion.sum import SumFusion
from avmm.utils import CheckpointError

# Module names of a fusion, {official: AVMM}; what is not listed has the same name in both.
_FUSION_NAMES: dict[type, dict[str, str]] = {
    SumFusion: {'fc_x': 'fc.audio', 'fc_y': 'fc.visual'},
    GatedFusion: {'fc_x': 'fc.audio', 'fc_y': 'fc.visual'},
    LateFusion: {'fc_a': 'fc.audio', 'fc_v': 'fc.visual'},
    AttentionFusion: {'av_attn.fc': 'squeeze', 'av_attn.fcs.0': 'excite.audio', 'av_attn.fcs.1': 'excite.visual'},
}
_CLASSIFIER_NAMES = {'audio_net': 'encoders.audio', 'visual_net': 'encoders.visual', 'fusion_module': 'fusion',
                     'audio_fc': 'heads.audio', 'visual_fc': 'heads.visual'}

# The released model of LFM, which has no fusion: a classifier a modality, their logits averaged.
_LFM_NAMES = {'audio_encoder.audio_net': 'encoders.audio', 'video_encoder.video_net': 'encoders.visual',
              'cls_a': 'fusion.fc.audio', 'cls_v': 'fusion.fc.visual'}


def fusion_from_official(state: Mapping[str, Any], fusion: Fusion) -> dict[str, Any]:
    """The official state of a fusion module under the names of ``fusion``.

    Args:
        state: Official names such as ``fc_out.weight`` or ``fc_x.bias``; the values may be of any kind.
        fusion: The module that is to load it.
    """
    return _rename(state, _fusion_names(fusion))


def fusion_to_official(state: Mapping[str, Any], fusion: Fusion) -> dict[str, Any]:
    """The state of ``fusion`` under official names; the inverse of :func:`fusion_from_official`."""
    return _rename(state, _inverse(_fusion_names(fusion)))


def classifier_from_official(state: Mapping[str, Any], fusion: Fusion) -> dict[str, Any]:
    """The official state of a two-branch classifier under the names of ``AVClassifier``.

    Args:
        state: Official names: ``audio_net.*``, ``visual_net.*``, ``fusion_module.*``, and ``audio_fc.*`` and
            ``visual_fc.*`` where each modality has a classifier, with or without the prefix ``module.`` of a
            data-parallel run.
        fusion: The fusion of the classifier that is to load it.

    Raises:
        CheckpointError: If a name belongs to none of the parts.
    """
    return _rename(_without_wrapper(state), _classifier_names(fusion), strict=True)


def classifier_to_official(state: Mapping[str, Any], fusion: Fusion) -> dict[str, Any]:
    """The state of an ``AVClassifier`` under official names; the inverse of :func:`classifier_from_official`.

    Raises:
        CheckpointError: If a name belongs to no part of such a classifier.
    """
    return _rename(state, _inverse(_classifier_names(fusion)), strict=True)


def lfm_from_official(state: Mapping[str, Any]) -> dict[str, Any]:
    """The official state of LFM under the names of an ``AVClassifier`` with a ``LateFusion`` or ``SumFusion``.

    Args:
        state: Official names: ``audio_encoder.audio_net.*``, ``video_encoder.video_net.*``, ``cls_a.*``, ``cls_v.*``.

    Raises:
        CheckpointError: If a name belongs to none of the parts.
    """
    return _rename(_without_wrapper(state), _LFM_NAMES, strict=True)


def lfm_to_official(state: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`lfm_from_official`.

    Raises:
        CheckpointError: If a name belongs to no part of such a classifier.
    """
    return _rename(state, _inverse(_LFM_NAMES), strict=True)


def _fusion_names(fusion: Fusion) -> dict[str, str]:
    return next((names for kind, names in _FUSION_NAMES.items() if isinstance(fusion, kind)), {})


def _classifier_names(fusion: Fusion) -> dict[str, str]:
    inner = {f'fusion_module.{official}': f'fusion.{ours}' for official, ours in _fusion_names(fusion).items()}
    return {**inner, **_CLASSIFIER_NAMES}


def _inverse(names: dict[str, str]) -> dict[str, str]:
    return {ours: official for official, ours in names.items()}


def _without_wrapper(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix('module.'): value for key, value in state.items()}


def _rename(state: Mapping[str, Any], names: dict[str, str], strict: bool = False) -> dict[str, Any]:
    renamed = {}
    for key, value in state.items():
        # The longest prefix that ends at a dot decides: fusion_module.fc_x comes before fusion_module.
        prefix = max((old for old in names if key.startswith(old + '.')), key=len, default=None)
        if prefix is None and strict:
            raise CheckpointError(f'the tensor {key!r} belongs to no part of an audio-visual classifier '
                                  f'({", ".join(names)}); is this the checkpoint of another model?')
        renamed[key if prefix is None else names[prefix] + key[len(prefix):]] = value
    return renamed
