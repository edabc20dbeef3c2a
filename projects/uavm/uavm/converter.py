"""Official checkpoints of UAVM, of its baselines and of its feature extractors, and back."""
from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from avmm.utils.conversion import NameTable, state_converter

State = Mapping[str, Tensor]
_MODALITIES = (('a', 'audio'), ('v', 'visual'))


def _transformer_names(upper: list[tuple[str, str]]) -> NameTable:
    pairs = []
    for official, ours in _MODALITIES:
        # A branch without blocks is a norm and a projection, called by numbers.
        pairs += [(f'{official}_in_proj.{{n}}', f'branches.{ours}.{{n}}'), (f'{official}_trans', f'branches.{ours}'),
                  (f'{official}_mlp', f'heads.{ours}')]
    return NameTable([*pairs, *upper])


#: Of UAVM, of the published modality-independent model (six blocks a modality) and of cross-modality attention.
UNIFIED_NAMES = _transformer_names([('s_trans', 'shared')])
#: Of the modality-independent model with two trunks a modality.
INDEPENDENT_NAMES = _transformer_names([(f'{a}_s_trans', f'uppers.{m}') for a, m in _MODALITIES])
#: Of the audio extractor, an ``AVClassifier`` with a ``ConvNeXtEncoder``.
AUDIO_NAMES = NameTable([('model.0', 'encoders.audio.net.features'), ('model.2.0', 'encoders.audio.net.classifier.0'),
                         ('model.2.2', 'fusion.fc_out')])
#: Of the visual extractor, a ``ConvNeXtEncoder`` without its norm.
VISUAL_NAMES = NameTable([('0', 'net.features')])

#: What ``tools/model_converters/convert.py`` can convert; the first one is its default.
CONVERTERS = {
    'uavm': state_converter('state dict of UAVM, of the published modality-independent model or of cross-modality '
                            'attention', UNIFIED_NAMES),
    'independent': state_converter('state dict of the modality-independent model with two trunks a modality',
                                   INDEPENDENT_NAMES),
    'audio_extractor': state_converter('state dict of the audio ConvNeXt', AUDIO_NAMES),
    'visual_extractor': state_converter('state dict of the visual ConvNeXt', VISUAL_NAMES),
}


def from_official(state: State, kind: str = 'uavm') -> dict[str, Tensor]:
    """State of our model from the official one; a leading ``module.`` is dropped.

    Args:
        state: Official tensors.
        kind: A key of :data:`CONVERTERS`.

    Raises:
        CheckpointError: If a tensor belongs to another model.
    """
    return _TABLES[kind].from_official(state)


def to_official(state: State, kind: str = 'uavm') -> dict[str, Tensor]:
    """The inverse of :func:`from_official`, without ``module.``."""
    return _TABLES[kind].to_official(state)


_TABLES = dict(uavm=UNIFIED_NAMES, independent=INDEPENDENT_NAMES, audio_extractor=AUDIO_NAMES,
               visual_extractor=VISUAL_NAMES)
