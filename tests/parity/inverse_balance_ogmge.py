"""The models and steps of OGM-GE and LFM: post-activation ResNet-18s."""
from __future__ import annotations

import numpy as np
import torch
from inverse_balance_common import (
    FUSIONS,
    Arrays,
    SeededNoise,
    as_batch,
    as_clip,
    build_fusion,
    fusion_outputs,
    norms,
    set_epoch_of_schedule,
)
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from avmm.balancing import BalancingHook
from avmm.models.fusion import (
    classifier_from_official,
    classifier_to_official,
    fusion_to_official,
    lfm_from_official,
)
from avmm.registry import HOOKS, MODELS


def fusion(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """A fusion module alone: its outputs and the gradients of a sum of them."""
    options = meta['options']
    feats = {m: torch.as_tensor(inputs[m[0]]).to(dtype).requires_grad_() for m in ('audio', 'visual')}
    module = build_fusion(options, {m: f.shape[1] for m, f in feats.items()}, state).to(dtype)
    x, y, z = fusion_outputs(module, feats)
    # The scalar that the cases differentiate.
    total = 0.01 * x.pow(2).sum() + y.sin().sum()
    if z is not None:
        total = total + nn.functional.cross_entropy(z, torch.arange(len(z)) % options['num_classes'])
    total.backward()
    grads = fusion_to_official({name: p.grad for name, p in module.named_parameters()}, module)
    outputs = dict(x=x, y=y, grad_a=feats['audio'].grad, grad_v=feats['visual'].grad,
                   grad_norms=norms(grads, options['grad_names']))
    return outputs if z is None else {**outputs, 'z': z}


def model(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The classifier in evaluation: features behind the fusion, and joint logits."""
    net = build_classifier(meta['options'], state).to(dtype).eval()
    with torch.no_grad():
        feats = net.extract_feat({m: as_clip(m, inputs[m], dtype) for m in net.modalities})
        x, y, z = fusion_outputs(net.fusion, feats)
    return dict(x=x, y=y, z=z)


def trajectory(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Some training steps under a balancing hook."""
    options = meta['options']
    net = build_classifier(options, state).to(dtype).train()
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', optimizer=dict(
        type='SGD', **{key: options[key] for key in ('lr', 'momentum', 'nesterov', 'weight_decay')})))
    set_epoch_of_schedule(wrapper.optimizer, options['epoch'])
    if options['modulation'] != 'Normal':
        hook = build_hook(options, net, meta['seed'])
        hook.set_epoch(options['epoch'])
        hook.attach(net, wrapper.optimizer)
    losses, grad_norms = [], []

    @torch.no_grad()
    def before_step(optimizer, args, kwargs) -> None:
        step = net.step
        alone = net.unimodal_logits(step.feats)
        losses.append([float(step.losses['loss'].detach()),
                       *(float(net.loss_fn(alone[m], step.labels)) for m in net.modalities)])
        last = {name: p.grad for name, p in net.named_parameters()}
        grad_norms.append(norms(classifier_to_official(last, net.fusion), options['grad_names']))

    wrapper.optimizer.register_step_pre_hook(before_step)
    for i in range(sum(name.startswith('label.') for name in inputs)):
        net.train_step(as_batch(inputs, i, net.modalities, dtype), wrapper)
    weights = classifier_to_official(net.state_dict(), net.fusion)
    return dict(loss=np.array(losses), last_grad_norms=grad_norms[-1],
                param_norms=norms(weights, options['grad_names']))


def lfm_model(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """LFM in evaluation: logits of both modalities and their sum, and the features."""
    net = build_lfm(meta['options'], state, dict(type='SumFusion')).to(dtype).eval()
    with torch.no_grad():
        feats = net.extract_feat({m: as_clip(m, inputs[m], dtype) for m in net.modalities})
        alone = net.unimodal_logits(feats)
        return dict(z_b=net.fuse(feats), z_a=alone['audio'], z_v=alone['visual'], a=feats['audio'],
                    v=feats['visual'])


def lfm_trajectory(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Training steps of LFM with the fitted weights, each in an epoch of its own."""
    options = meta['options']
    net = build_lfm(options, state, dict(type='LateFusion')).to(dtype).train()
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', optimizer=dict(
        type='SGD', **{key: options[key] for key in ('lr', 'momentum', 'weight_decay')})))
    hook = HOOKS.build(dict(type='LFM', space='logit', weights='fitted'))
    hook.attach(net, wrapper.optimizer)
    rows = []

    @torch.no_grad()
    def before_step(optimizer, args, kwargs) -> None:
        step = net.step
        values = (net.parse_losses(step.losses)[0], net.loss_fn(step.logits, step.labels),
                  hook.alignment(net, step.feats))
        rows.append([float(value) for value in values])

    wrapper.optimizer.register_step_pre_hook(before_step)
    for i, epoch in enumerate(options['epochs']):
        hook.set_epoch(epoch)
        net.train_step(as_batch(inputs, i, net.modalities, dtype), wrapper)
    return dict(loss=np.array(rows))


def build_classifier(options: dict, state: dict[str, Tensor]) -> nn.Module:
    """The two-branch ResNet-18 with official weights."""
    net = MODELS.build(dict(
        type='AVClassifier', num_classes=options['num_classes'], fusion=FUSIONS[options['fusion']],
        encoders=dict(audio=dict(type='AVResNet18', in_channels=1), visual=dict(type='AVResNet18', in_channels=3)),
        loss=dict(type='CrossEntropyLoss')))
    net.load_state_dict(classifier_from_official(state, net.fusion))
    return net


def build_lfm(options: dict, state: dict[str, Tensor], fusion: dict) -> nn.Module:
    """The model of LFM with official weights."""
    net = MODELS.build(dict(
        type='AVClassifier', num_classes=options['num_classes'], fusion=fusion,
        encoders=dict(audio=dict(type='AVResNet18', in_channels=1), visual=dict(type='AVResNet18', in_channels=3))))
    net.load_state_dict(lfm_from_official(state))
    return net


def build_hook(options: dict, net: nn.Module, seed: int) -> BalancingHook:
    """The balancing hook that the options name; its noise is off, or seeded by update and parameter."""
    cfg = dict(alpha=options['alpha'], starts=options.get('modulation_starts', 0),
               ends=options.get('modulation_ends', 50))
    if options['modulation'] == 'OGM':
        return HOOKS.build(dict(type='OGM', **cfg))
    seeded = options.get('noise') == 'seeded'
    return HOOKS.build(dict(type='OGMGE', noise_scale=float(seeded),
                            noise_source=SeededNoise(net, seed) if seeded else None, **cfg))


PARTS = {'fusion_': fusion, 'ogmge_model_': model, 'ogmge_traj_': trajectory, 'lfm_model': lfm_model,
         'lfm_traj': lfm_trajectory}
