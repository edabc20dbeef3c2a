"""Losses, scores and schedules of ``inverse_balance``."""
from __future__ import annotations

import numpy as np
import torch
from inverse_balance_common import Arrays

from avmm.balancing import alignment_loss, fitted_weights, min_norm_weights, prototype_inverse_loss
from avmm.balancing.mmpareto import dot
from avmm.evaluation.functional import envelope_mean_average_precision
from avmm.registry import HOOKS, LOSSES


def label_smoothing(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Smoothed and plain cross-entropy."""
    label = torch.as_tensor(inputs['label'])
    logits = (torch.as_tensor(inputs['z']).to(dtype) * meta['options']['z_scale']).requires_grad_()
    loss = LOSSES.build(dict(type='LabelSmoothLoss', eps=meta['options']['smoothing']))(logits, label)
    loss.backward()
    return dict(loss=loss, grad=logits.grad, plain=LOSSES.build(dict(type='CrossEntropyLoss'))(logits, label))


def alignment(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The alignment loss and its gradients."""
    p = torch.as_tensor(inputs['p']).to(dtype).requires_grad_()
    q = (torch.as_tensor(inputs['q']).to(dtype) * meta['options']['q_scale']).requires_grad_()
    loss = alignment_loss(p, q)
    loss.backward()
    return dict(loss=loss, grad_p=p.grad, grad_q=q.grad)


def schedule(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The fitted weights of LFM."""
    return dict(k=np.array([fitted_weights(epoch) for epoch in meta['options']['epochs']]))


def min_norm(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Min-norm weights of two lists of gradients, at three scales of the second."""
    g0, h0, g1, h1 = (torch.as_tensor(inputs[name]).to(dtype) for name in ('g0', 'h0', 'g1', 'h1'))
    rows = []
    for s in (1, 0.1, -0.5):
        first, second = [g0, h0], [s * g0 + 0.3 * abs(s) * g1, s * h0 + 0.3 * abs(s) * h1]
        rows.append(min_norm_weights(dot(first, first), dot(first, second), dot(second, second)))
    return dict(rows=np.array(rows))


def mslr_memory(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The ratios of MSLR in each epoch, from the accuracies of the epochs before."""
    hook = HOOKS.build(dict(type='MSLRDynamic'))
    seen = [hook.update_ratios(dict(audio=a, visual=v)) for a, v in meta['options']['acc_scale'] * inputs['acc']]
    return dict(ratio=np.array([[1.0, 1.0]] + [[r['audio'], r['visual']] for r in seen]))


def prototype_map(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Macro mAP with the precision envelope."""
    return dict(map=envelope_mean_average_precision(inputs['pred'], inputs['label']))


def prototype_loss(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The loss that the prototype has and leaves out."""
    options = meta['options']
    audio, visual, joint = ((options['scale'] * torch.as_tensor(inputs[name]).to(dtype)).softmax(1)
                            for name in ('za', 'zv', 'zo'))
    return dict(loss=prototype_inverse_loss(dict(audio=audio, visual=visual), joint,
                                            torch.as_tensor(inputs['label']), options['rho']))


PARTS = {'loss_label_smoothing': label_smoothing, 'loss_alignment': alignment, 'lfm_schedule': schedule,
         'min_norm': min_norm, 'mslr_memory': mslr_memory, 'prototype_map': prototype_map,
         'prototype_inverse_loss': prototype_loss}
