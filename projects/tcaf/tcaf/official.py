"""Official names and shapes of the tensors of TCAF and AVCA."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.utils import CheckpointError
from avmm.utils.conversion import NameTable, State

_NETS = [(f'{official}.fc', f'{ours}.fc') for official, ours in (
    ('A_enc', 'encoders.audio'), ('V_enc', 'encoders.visual'), ('O_proj', 'project'), ('D_o', 'decode'),
    ('W_proj', 'project_words'), ('D_w', 'decode_words'))]
_BLOCK, _ALIAS = 'position_encoder_block.', 'audiovisual_embeddings.'
_POSITION = [(f'{_BLOCK}{official}', f'position.{ours}') for official, ours in (
    ('fourier_randn', 'frequencies'), ('fourier_embeddings', 'waves'), ('time_embedding', 'times'),
    ('modal_embedding', 'modality'), ('pad_embedding', 'padding'), ('out_proj_audio', 'project.audio'),
    ('out_proj_video', 'project.visual'))]
_LAYER = [('attn.to_out.0', 'out'), ('ff.net.0', 'linear1'), ('ff.net.3', 'linear2'), ('norm', 'norm')]


class TCAFTable(NameTable):
    """Tensors of TCAF.

    Ours has one matrix for queries, keys and values of a layer; the embedding block, which the official model
    registers under two names, is there once; its convolutions of width one are linear layers.

    Of a state that holds the block under one of the names only, an export gives both.
    """

    _merged = ('attn.to_q', 'attn.to_k', 'attn.to_v')

    def __init__(self):
        layers = [(f'Audio_visual_transformer.layers.{{n}}.{official}', f'transformer.layers.{{n}}.{ours}')
                  for official, ours in (*_LAYER, ('attn.qkv', 'qkv'))]
        super().__init__([*_NETS, *_POSITION, *layers, ('cls_token', 'transformer.class_token')], prefixed=False)

    def from_official(self, state: State) -> dict[str, Tensor]:
        """See :class:`NameTable`.

        Raises:
            CheckpointError: If the two copies of the embedding block differ, or one of three matrices is missing.
        """
        plain = merge_alias(self._plain(state))
        plain = merge_rows(plain, self._merged, 'attn.qkv')
        flat = {name: value.squeeze(-1) if '.out_proj_' in name and value.dim() == 3 else value
                for name, value in plain.items()}
        return super().from_official(flat)

    def to_official(self, state: State, unused: State | None = None) -> dict[str, Tensor]:
        """See :class:`NameTable`."""
        official = split_rows(super().to_official(state, unused), 'attn.qkv', self._merged)
        official = {name: value.unsqueeze(-1) if '.out_proj_' in name and name.endswith('.weight') else value
                    for name, value in official.items()}
        alias = {_ALIAS + name.removeprefix(_BLOCK): value for name, value in official.items()
                 if name.startswith(_BLOCK)}
        return {**official, **alias}


class AVCATable(NameTable):
    """Tensors of AVCA, all of which have a place in ours."""

    def __init__(self):
        layer = [('0.norm', 'norm'), ('0.fn.to_qkv', 'qkv'), ('0.fn.to_out.0', 'out'), ('1.norm', 'norm2'),
                 ('1.fn.net.0', 'linear1'), ('1.fn.net.3', 'linear2')]
        nets = [('A_enc', 'encoders.audio'), ('V_enc', 'encoders.visual'), ('A_proj', 'project.audio'),
                ('V_proj', 'project.visual'), ('A_rec', 'reconstruct.audio'), ('V_rec', 'reconstruct.visual'),
                ('W_proj', 'project_words'), ('D', 'decode')]
        super().__init__([*((f'{official}.fc', f'{ours}.fc') for official, ours in nets),
                          *((f'cross_attention.layers.{{n}}.{official}', f'layers.{{n}}.{ours}')
                            for official, ours in layer), ('pos_emb1D', 'positions')], prefixed=False)


def merge_alias(state: State) -> dict[str, Tensor]:
    """The state with the embedding block under one name.

    Raises:
        CheckpointError: If the block is there twice, with different values.
    """
    merged = {name: value for name, value in state.items() if not name.startswith(_ALIAS)}
    for name, value in state.items():
        if name.startswith(_ALIAS):
            other = merged.setdefault(_BLOCK + name.removeprefix(_ALIAS), value)
            if not torch.equal(other, value):
                raise CheckpointError(f'{name} differs from its copy below {_BLOCK[:-1]}; an official checkpoint has '
                                      'the same values twice')
    return merged


def merge_rows(state: State, parts: tuple[str, ...], whole: str) -> dict[str, Tensor]:
    """Put matrices ``<prefix><part>.weight`` on top of each other, as ``<prefix><whole>.weight``.

    Raises:
        CheckpointError: If one of them is missing.
    """
    merged, first = {}, f'{parts[0]}.weight'
    for name, value in state.items():
        if name.endswith(first):
            names = [name.removesuffix(first) + f'{part}.weight' for part in parts]
            missing = [n for n in names if n not in state]
            if missing:
                raise CheckpointError(f'{missing[0]} is missing; is this a whole checkpoint?')
            merged[name.removesuffix(first) + f'{whole}.weight'] = torch.cat([state[n] for n in names])
        elif not name.endswith(tuple(f'{part}.weight' for part in parts[1:])):
            merged[name] = value
    return merged


def split_rows(state: State, whole: str, parts: tuple[str, ...]) -> dict[str, Tensor]:
    """The inverse of :func:`merge_rows`."""
    split = {}
    for name, value in state.items():
        if name.endswith(f'{whole}.weight'):
            prefix = name.removesuffix(f'{whole}.weight')
            split.update({f'{prefix}{part}.weight': rows
                          for part, rows in zip(parts, value.chunk(len(parts)), strict=True)})
        else:
            split[name] = value
    return split
