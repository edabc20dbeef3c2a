"""CMRAN: its attention, its configs, its checkpoints, and balancing methods on it."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from avmm.models.attention import recorded_maps
from avmm.registry import HOOKS, MODELS
from avmm.structures import AVDataSample
from avmm.utils import CheckpointError
from projects.cmran.cmran import AGSCA, converter

BASES = Path(__file__).resolve().parents[1] / 'configs/_base_/models'
SETTINGS = ('supv', 'weak')


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        yield


def build(setting: str):
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(BASES / f'cmran_{setting}.py').model)


def batch(size: int = 2, length: int = 3, grid: int = 2) -> dict:
    samples = [AVDataSample().set_gt_label(i).set_gt_segments([28] + [i] * (length - 1)) for i in range(size)]
    inputs = dict(audio=torch.rand(size, length, 128), visual=torch.rand(size, length, grid, grid, 512))
    return dict(inputs=inputs, data_samples=samples)


def test_attention_by_its_equations():
    torch.manual_seed(0)
    attention = AGSCA(visual_channels=6, audio_channels=4, hidden_channels=5).double()
    visual, audio = torch.randn(2, 3, 2, 4, 6).double(), torch.randn(2, 3, 4).double()
    with recorded_maps({'': attention}) as maps:
        out = attention(visual, audio)
    for b in range(2):
        for t in range(3):
            cells, a = visual[b, t].flatten(0, 1), audio[b, t]
            gate = attention.gate(cells[None], a[None])[0]
            cells = cells * (1 + gate)
            joint = attention.visual(cells).relu() * attention.audio(a).relu()
            alpha = attention.score(joint).tanh().softmax(0)
            torch.testing.assert_close(out[b, t], (alpha * cells).sum(0))
            torch.testing.assert_close(maps['spatial'][b, t].flatten(), alpha[:, 0])
            torch.testing.assert_close(maps['channel'][b, t], gate)
    few = visual[:1, :1].clone().requires_grad_(), audio[:1, :1].clone().requires_grad_()
    torch.autograd.gradcheck(attention, few)


@pytest.mark.parametrize(('setting', 'used'), [('supv', 9509150), ('weak', 9509407)])
def test_only_parameters_that_learn(setting, used):
    model = build(setting)
    assert sum(p.numel() for p in model.parameters()) == used
    losses = model(**batch(), mode='loss')
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize('setting', SETTINGS)
def test_official_state_round_trip(setting):
    model = build(setting)
    official = converter.to_official(model.state_dict())
    full = {**official, **converter.fill_unused(official)}
    assert len(full) == 174 and len(converter.unused_tensors(full)) == 68
    assert sum(value.numel() for value in full.values()) == (15863262 if setting == 'supv' else 15863519)
    wide = {f'module.{name}': value.double() for name, value in full.items()}
    again = converter.from_official(wide)
    assert list(again) == list(model.state_dict())
    assert all(torch.equal(value.double(), again[name]) for name, value in model.state_dict().items())
    exact = converter.to_official(again, converter.unused_tensors(wide))
    assert {f'module.{name}' for name in exact} == set(wide)
    assert all(torch.equal(value, wide[f'module.{name}']) for name, value in exact.items())
    model.load_state_dict(again)


def test_templates_are_the_first_layers():
    official = converter.to_official(build('supv').state_dict())
    filled = converter.fill_unused(official)
    name = 'self_attn.in_proj_weight'
    first = official[f'audio_encoder.encoder.layers.0.{name}']
    assert torch.equal(filled[f'audio_encoder.encoder_layer.{name}'], first)
    assert filled['spatial_channel_att.affine_video_guided_2.weight'].shape == (128, 64)
    assert all(torch.equal(value, filled[n]) for n, value in converter.fill_unused(official).items())


def test_tensor_of_another_model():
    with pytest.raises(CheckpointError, match="the tensor 'resnet.conv1.weight' belongs to another model"):
        converter.from_official({'module.resnet.conv1.weight': torch.zeros(1)})


@pytest.mark.parametrize('setting', SETTINGS)
def test_ogm_ge_slows_one_branch(setting):
    model, data = build(setting), batch()
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    hook = HOOKS.build(dict(type='OGMGE', alpha=0.5, params=dict(dims=None), noise_scale=0.0, seed=0))
    hook.attach(model, wrapper.optimizer)
    grads = {}
    targets = hook.targets(model)
    hook.edit_gradients = lambda key, names, g, k, loss_scale: grads.update({key: (len(names), k.item())})
    model.train_step(data, wrapper)
    hook.detach()
    assert {m: count for m, (count, _) in grads.items()} == {m: len(targets[m]) for m in model.modalities}
    slow, full = sorted(k for _, k in grads.values())
    assert 0 < slow < 1 and full == 1


def test_a_learning_rate_for_each_modality():
    model = build('supv')
    wrapper = build_optim_wrapper(model, dict(
        type='OptimWrapper', constructor='MSLRConstructor', paramwise_cfg=dict(lr_mult=dict(audio=0.5, visual=2.0)),
        optimizer=dict(type='Adam', lr=5e-4)))
    rate = {id(p): group['lr'] for group in wrapper.optimizer.param_groups for p in group['params']}
    assert {rate[id(p)] for p in model.branch('audio').parameters()} == {2.5e-4}
    assert {rate[id(p)] for p in model.branch('visual').parameters()} == {1e-3}
    assert {rate[id(p)] for p in model.decoders.parameters()} == {5e-4}
