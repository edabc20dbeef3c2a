"""Balancing methods on the fusion layer of a transformer, as the configs of combinations put them together."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from avmm.registry import HOOKS, MODELS
from avmm.structures import AVDataSample
from avmm.utils.config import load_config

REPO = Path(__file__).resolve().parents[2]
INVERSE = REPO / 'configs/combinations/cmran_inverse_supv_1xb32-200e_ave.py'


def batch(size: int = 4) -> dict:
    """Videos of three seconds on a grid of 2 x 2 cells."""
    draw = torch.Generator().manual_seed(0)
    samples = []
    for label in range(size):
        sample = AVDataSample(metainfo=dict(sample_id=f'video_{label}', num_classes=29)).set_gt_label(label)
        samples.append(sample.set_gt_segments(np.array([28, label, label])))
    return dict(inputs=dict(audio=torch.rand(size, 3, 128, generator=draw),
                            visual=torch.rand(size, 3, 2, 2, 512, generator=draw)), data_samples=samples)


def one_step(**hook_options) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients that the optimiser sees in a step of the config, without noise and dropout, and r of that step."""
    still = dict(dropout=0.0)
    cfg = load_config(INVERSE, dict(model=dict(projection_dropout=0.0, encoder=still, decoder=still,
                                               interaction=still)))
    with DefaultScope.overwrite_default_scope('avmm'):
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).train()
        optim_wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.1)))
        hook = HOOKS.build(dict(cfg.custom_hooks[0], noise_scale=0, **hook_options))
    data = batch()
    with torch.no_grad():
        feats = model.extract_feat(data['inputs'])
        said = {**model.unimodal_logits(feats), 'joint': model.fuse(feats)}
        score = {name: logits.softmax(-1).diagonal().sum() for name, logits in said.items()}
    hook.attach(model, optim_wrapper.optimizer)
    seen = {}
    optim_wrapper.optimizer.register_step_pre_hook(
        lambda *_: seen.update((n, p.grad.clone()) for n, p in model.named_parameters() if p.grad is not None))
    model.train_step(data, optim_wrapper)
    return seen, float((score['audio'] + score['visual']) / 2 / score['joint'])


def test_inverse_effectiveness_scales_the_interaction_and_nothing_else():
    doubled, r = one_step(gamma=2.0)
    halved, _ = one_step(gamma=0.5)
    xi = 2 * (1 + math.tanh(1 - r))
    assert 0.1 < xi < 3.6
    names = [name for name, g in halved.items() if g.abs().max() > 1e-9]
    assert any(name.startswith('interaction') for name in names)
    for name in names:
        factor = 4 if name.startswith('interaction') else 1
        torch.testing.assert_close(doubled[name], factor * halved[name], rtol=1e-3, atol=1e-8)


def test_the_coefficient_is_that_of_what_the_modalities_say():
    scaled, r = one_step(gamma=1.0)
    whole, _ = one_step(gamma=1.0, params=dict(pattern=r'^branches\.audio'))
    name = 'interaction.attention.in_proj_weight'
    torch.testing.assert_close(scaled[name], (1 + math.tanh(1 - r)) * whole[name], rtol=1e-3, atol=1e-8)
