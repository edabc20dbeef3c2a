"""Training steps of ``inverse_balance``: balancing methods with and without the inverse mechanism."""
from __future__ import annotations

import numpy as np
import torch
from inverse_balance_common import Arrays, SeededNoise, as_batch, norms, set_epoch_of_schedule
from inverse_balance_model import build_classifier, slices
from mmengine.optim import build_optim_wrapper
from torch import nn

from avmm.balancing import OGM, BalancingHook, InverseEffectiveness, modulation
from avmm.evaluation.functional import top_k_accuracy
from avmm.models import AVModel
from avmm.registry import HOOKS
from projects.inverse_balance.inverse_balance import to_official


def trajectory(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Some updates in one epoch."""
    options = meta['options']
    net = build_classifier(options, state).to(dtype).train()
    wrapper = build_optim_wrapper(net, dict(
        type='OptimWrapper', constructor='DimsDecayConstructor', optimizer=dict(
            type='SGD', **{key: options[key] for key in ('lr', 'momentum', 'nesterov', 'weight_decay')})))
    set_epoch_of_schedule(wrapper.optimizer, options['epoch'])
    for hook in build_hooks(options, net, meta['seed']):
        hook.set_epoch(options['epoch'])
        hook.attach(net, wrapper.optimizer)
    rows: dict[str, list] = dict(loss=[], top1=[], grad_norms=[], coeff=[])

    @torch.no_grad()
    def before_step(optimizer, args, kwargs) -> None:
        step = net.step
        rows['loss'].append(float(net.parse_losses(step.losses)[0]))
        rows['top1'].append(100 * top_k_accuracy(step.logits, step.labels)[0])
        grads = {name: p.grad for name, p in net.named_parameters()}
        rows['grad_norms'].append(norms(to_official(net, grads), options['grad_names']))
        if len(net.modalities) == 2:
            rows['coeff'].append(coefficients(options, net))

    wrapper.optimizer.register_step_pre_hook(before_step)
    for i in range(options['steps']):
        net.train_step(as_batch(inputs, i, net.modalities, dtype), wrapper)
    weights = to_official(net)
    head = 'fusion_module.fc_out' if net.only is None else f'{net.only}_fc'
    return dict(loss=np.array(rows['loss']), top1=np.array(rows['top1']), grad_norms=rows['grad_norms'][0],
                last_grad_norms=rows['grad_norms'][-1], param_norms=norms(weights, options['grad_names']),
                coeff=np.array(rows['coeff']), fc_head=weights[f'{head}.bias'][:6],
                lr=np.array(wrapper.optimizer.param_groups[0]['lr']), **slices(weights, options['slices']))


def build_hooks(options: dict, net: nn.Module, seed: int) -> list[BalancingHook]:
    """The hooks that the options name, in the order of the official step."""
    seeded = options['noise'] == 'seeded'
    noise = dict(noise_scale=float(seeded), noise_source=SeededNoise(net, seed) if seeded else None)
    window = dict(starts=options['modulation_starts'], ends=options['modulation_ends'])
    method, inverse, sweep = options['modulation'], options['inverse'], options['program'] == 'train_aba'
    hooks = []
    if method == 'OGM_GE':
        hooks.append(HOOKS.build(dict(type='OGMGE', alpha=options['alpha'], **window, **noise)))
    elif method == 'OGM':
        hooks.append(HOOKS.build(dict(type='OGM', alpha=options['alpha'], **window)))
    elif method == 'MSLR':
        hooks.append(HOOKS.build(dict(type='MSLRDynamic', **window)))
        hooks[0].load_state_dict(dict(memories={}, ratios=dict(
            audio=options['audio_lr_ratio'], visual=options['visual_lr_ratio'])))
    elif method == 'LFM' and sweep:
        hooks.append(HOOKS.build(dict(type='LFM', space='logit' if inverse else 'feature', weights='fitted')))
        if not inverse:
            hooks.append(HOOKS.build(dict(type='UnimodalLoss')))
    elif method == 'LFM':
        hooks.append(HOOKS.build(dict(type='LFM', space='feature', weights='constant')))
    if inverse:
        hooks.append(HOOKS.build(dict(type='InverseEffectiveness', gamma=options['inverse_coef'],
                                      starts=options['inverse_starts'], ends=options['inverse_ends'], **noise)))
    return hooks


def coefficients(options: dict, net: AVModel) -> list[float]:
    """``k_a, k_v, xi, s_a, s_v, s_av``, which the official program computes whether it uses them or not."""
    split = OGM().batch_scores(net, net.step)
    k = modulation(split, options['alpha'])
    if not options['inverse']:
        return [*k.tolist(), 0.0, *split.tolist(), 0.0]
    hook = InverseEffectiveness(gamma=options['inverse_coef'])
    scores = hook.batch_scores(net, net.step)
    return [*k.tolist(), float(hook.coefficients(scores)['inverse']), *scores.tolist()]


PARTS = {'traj_': trajectory}
