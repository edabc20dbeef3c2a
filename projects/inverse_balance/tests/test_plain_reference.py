"""The plain reference of the benchmarks does the work of ours: the same updates."""
from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

import projects.inverse_balance.inverse_balance  # noqa: F401
from avmm.registry import HOOKS, MODELS
from avmm.structures import AVDataSample
from benchmarks.inverse_balance import PlainTraining


@pytest.mark.parametrize(('steps', 'inverse'), [(3, True)])
def test_updates_are_the_same(steps, inverse, monkeypatch):
    init_default_scope('avmm')
    plain = PlainTraining(5, steps, 'Normal', inverse)
    encoder = dict(type='PreActResNet18', steps=steps)
    net = MODELS.build(dict(
        type='AVClassifier', num_classes=5, heads=True, fusion=dict(type='ConcatFusion'),
        loss=dict(type='LabelSmoothLoss', eps=0.1),
        encoders=dict(audio=dict(encoder, in_channels=1), visual=dict(encoder, in_channels=3)))).train()
    parts = [(net.encoders['audio'], plain.model.audio_net), (net.encoders['visual'], plain.model.visual_net),
             (net.fusion.fc_out, plain.model.fc_out), (net.heads['audio'], plain.model.audio_fc),
             (net.heads['visual'], plain.model.visual_fc)]

    def pairs():
        for ours, theirs in parts:
            state = {k: v for k, v in ours.state_dict().items() if 'threshold' not in k and not k.startswith('fc.')}
            yield from zip(state.items(), theirs.state_dict().values(), strict=True)

    with torch.no_grad():
        for (_, ours), theirs in pairs():
            ours.copy_(theirs)
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', constructor='DimsDecayConstructor', optimizer=dict(
        type='SGD', lr=5e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)))
    if inverse:
        HOOKS.build(dict(type='InverseEffectiveness', noise_scale=0)).attach(net, wrapper.optimizer)
        monkeypatch.setattr('benchmarks.inverse_balance.edit', lambda p, xi: p.grad.mul_(xi))
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        audio = torch.randn(4, 1, 40, 33, generator=generator)
        visual = torch.randn(4, 3, 2, 40, 40, generator=generator)
        plain.step(audio, visual, torch.arange(4))
        net.train_step(dict(inputs=dict(audio=audio, visual=visual),
                            data_samples=[AVDataSample().set_gt_label(i) for i in range(4)]), wrapper)
    for (name, ours), theirs in pairs():
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4, msg=lambda text, n=name: f'{n}: {text}')
