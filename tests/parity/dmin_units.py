"""Cases of ``dmin``: single parts of the models."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from dmin_model import named_outputs
from torch import Tensor

import projects.dmin.dmin  # noqa: F401
from avmm.models import EventTargets
from avmm.models.attention import recorded_maps
from avmm.registry import MODELS
from projects.dmin.dmin import bilinear_pool, converter
from projects.dmin.dmin.dcmr import DIRECTIONS

Arrays = dict[str, np.ndarray]
NAMES = dict(audio='audio', visual='video')


def leaf(array: np.ndarray, dtype: str) -> Tensor:
    """A tensor that collects gradients."""
    return torch.from_numpy(array.astype(dtype)).requires_grad_()


def part_of(state: Arrays, official: str, ours: str, prefix: str = '') -> dict[str, Tensor]:
    """State of a part: the tensors below ``prefix``, converted as those of ``official`` in the whole model."""
    whole = converter.from_official({f'{official}.{name.removeprefix(prefix)}': torch.from_numpy(value)
                                     for name, value in state.items() if name.startswith(prefix)})
    return {name.removeprefix(f'{ours}.'): value for name, value in whole.items()}


def agta(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    module = MODELS.build(dict(type='AGTA', dropout=0.0)).to(getattr(torch, dtype))
    ours = 'branches.visual.attention'
    module.load_state_dict(part_of(state, 'spatial_channel_att', ours))
    visual, audio = leaf(inputs['video'], dtype), leaf(inputs['audio'], dtype)
    with recorded_maps({'': module}) as maps:
        out = module(visual, audio)
    out.square().sum().backward()
    grads = converter.to_official({f'{ours}.{name}': p.grad for name, p in module.named_parameters()})
    norms = [grads[f'spatial_channel_att.{name}'].norm() for name in meta['options']['grad_names']]
    return dict(out=out[..., ::3], spatial_attention=maps['spatial'], channel_gate=maps['channel'][..., ::3],
                grad_norms=torch.stack(norms), grad_video=visual.grad[..., ::37], grad_audio=audio.grad)


def dima(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    outputs = {}
    for i, config in enumerate(meta['options']['configs']):
        tensors = {name.removeprefix(f'c{i}.'): torch.from_numpy(value) for name, value in state.items()
                   if name.startswith(f'c{i}.')}
        query, memory = (leaf(inputs[f'{name}.{i}'].swapaxes(0, 1), dtype) for name in ('query', 'memory'))
        both = torch.cat([memory, query], 1)
        size = dict(channels=config['embed'], num_heads=config['heads'], dropout=0.0)
        usual = MODELS.build(dict(type='MultiheadAttention', **size)).to(query.dtype)
        dense = MODELS.build(dict(type='DenseInterModalityAttention', lam=meta['options']['lam'], **size))
        dense.to(query.dtype)
        for module in (usual, dense):
            module.load_state_dict(tensors)
        with recorded_maps(dict(dense=dense, usual=usual)) as maps:
            out = dense(query, both)
            usual(query, both)
        out.square().sum().backward()
        values = dict(out=out.transpose(0, 1)[..., ::4], weights=maps['dense'], standard_mha_weights=maps['usual'],
                      grad_query=query.grad.transpose(0, 1)[..., ::8],
                      grad_memory=memory.grad.transpose(0, 1)[..., ::8],
                      grad_in_proj_norm=dense.in_proj_weight.grad.norm())
        outputs.update({f'{name}.{i}': value for name, value in values.items()})
    return outputs


def mfb(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    visual, audio = inputs['visual'], inputs['audio']
    visual[meta['options']['zero_rows']] = 0
    visual[1, :meta['options']['zero_cols_row1']] = 0
    visual, audio = leaf(visual, dtype), leaf(audio, dtype)
    out = bilinear_pool(visual, audio)
    (out * torch.arange(out.shape[-1])).sum().backward()
    return dict(out=out, grad_visual=visual.grad[..., ::5], grad_audio=audio.grad[..., ::5])


def matching(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    leaves = {m: leaf(inputs[NAMES[m]].swapaxes(0, 1), dtype) for m in ('audio', 'visual')}
    query, target = (leaves[m] * meta['options']['scale'] for m in DIRECTIONS[meta['options']['variant']])
    out = MODELS.build(dict(type='AccumulatingMatching'))(query, target, torch.from_numpy(inputs['labels']) > 0)
    out.square().sum().backward()
    grads = {f'grad_{NAMES[m]}': value.grad for m, value in leaves.items()}
    return {name: value.transpose(0, 1)[..., ::8] for name, value in dict(grads, out=out).items()}


@torch.no_grad()
def heads(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    fused, memory = (leaf(inputs[name].swapaxes(0, 1), dtype) for name in ('fused', 'visual_memory'))
    outputs = {}
    for kind, prefix in zip(('DMINSupervisedHead', 'DMINWeakHead'), meta['options']['state_prefix'], strict=True):
        head = MODELS.build(dict(type=kind)).to(fused.dtype)
        head.load_state_dict(part_of(state, 'localize_module', 'head', prefix))
        named = named_outputs(head(fused, dict(visual=memory)))
        outputs.update({f'{prefix}{name}': value for name, value in named.items()})
    return outputs


def losses(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    logits = {name: torch.from_numpy(value.astype(dtype)) for name, value in inputs.items() if 'labels' not in name}
    classes = torch.from_numpy(inputs['labels'].argmax(-1))
    marks = torch.from_numpy(inputs['match_labels']) > 0
    cases = dict(
        supervised=('DMINSupervisedHead', EventTargets(classes, classes.amin(1)), dict(
            event_logits=logits['is_event'], class_logits=logits['class_logits'],
            unimodal_logits=logits['self_logits'])),
        weak=('DMINWeakHead', EventTargets(None, torch.from_numpy(inputs['weak_labels'])), dict(
            video_logits=logits['weak_logits'], unimodal_logits=logits['weak_self_logits'])),
        match=('WindowHead', EventTargets(marks, marks), dict(event_logits=logits['is_event'])))
    outputs = {}
    for name, (kind, targets, values) in cases.items():
        head = MODELS.build(dict(type=kind))
        outputs[name] = sum(head.loss(values, targets).values())
        if name != 'match':
            outputs[f'{name}_parts'] = torch.stack(list(head.loss_terms(values, targets).values()))
        if name == 'supervised':
            outputs.update(event_indicator=head.event_mask(targets).double(), event_class=head.labels(targets))
    return outputs


PARTS = dict(unit_agta=agta, unit_dima=dima, unit_mfb=mfb, unit_matching_=matching, unit_heads=heads,
             unit_losses=losses)
