"""Names of the parts of :class:`CrossModalLocalizer` in the published programs of CMRAN and DMIN."""
from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

# Inside a layer, official and ours.
_LAYER = (('linear1', 'feed_forward.linear1'), ('linear2', 'feed_forward.linear2'), ('norm1', 'norm'),
          ('norm2', 'feed_forward.norm'))
_MODALITIES = (('video', 'visual'), ('audio', 'audio'))

#: Official names, as regular expressions, that no forward uses: templates of the stacks, self-attention of decoders.
UNUSED_NAMES = (r'(?:video|audio)_encoder\.encoder_layer\.', r'(?:video|audio)_decoder\.decoder_layer\.',
                r'(?:video|audio)_decoder\.decoder\.layers\.\d+\.self_attn\.')


def official_names() -> list[tuple[str, str]]:
    """Beginnings of names, official and ours, of all parts but the visual attention and the head."""
    pairs = [('v_fc', 'branches.visual.projection'), ('AVInter.video_multihead', 'interaction.attention'),
             ('AVInter.norm1', 'interaction.norm')]
    for official, ours in _MODALITIES:
        stacks = ((f'{official}_encoder.encoder.layers.{{n}}', f'branches.{ours}.encoder.layers.{{n}}', 'self_attn'),
                  (f'{official}_decoder.decoder.layers.{{n}}', f'decoders.{ours}.layers.{{n}}', 'multihead_attn'))
        for theirs, layer, attention in stacks:
            pairs += [(f'{theirs}.{a}', f'{layer}.{b}') for a, b in ((attention, 'attention'), *_LAYER)]
        pairs += [(f'{official}_encoder.affine_matrix', f'branches.{ours}.encoder.affine'),
                  (f'{official}_decoder.affine_matrix', f'decoders.{ours}.affine')]
    return pairs


def fill_stacks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stand-ins for the tensors of :data:`UNUSED_NAMES`, as an untrained official model has them.

    A template equals the first layer of its stack. The self-attention of a decoder layer, which an official model
    draws for itself, is a copy of the layer's other attention.

    Args:
        state: Official tensors that are used, without prefix.
    """
    filled = {}
    for name, value in state.items():
        for stack in ('encoder', 'decoder'):
            if f'_{stack}.{stack}.layers.' not in name:
                continue
            names = {name}
            if stack == 'decoder':
                names.add(name.replace('multihead_attn', 'self_attn'))
            first = f'.{stack}.layers.0.'
            names |= {n.replace(first, f'.{stack}_layer.') for n in names if first in n}
            filled.update({n: value.clone() for n in sorted(names) if n not in state})
    return filled
