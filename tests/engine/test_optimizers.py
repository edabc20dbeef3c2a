"""Optimiser wrappers: zero gradients, mixed precision on CPU, names."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from avmm.engine.optimizers import AmpOptimWrapper, OptimWrapper
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError


class TwoBranches(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.audio, self.visual = nn.Linear(3, 1), nn.Linear(3, 1)


def train_one_branch_at_a_time(steps, state=None, start=0, **options):
    """Adam with weight decay over steps that use one branch each; returns model and wrapper."""
    model = TwoBranches()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.01)
    wrapper = OptimWrapper(optimizer, **options)
    if state is not None:
        model.load_state_dict(state[0])
        wrapper.load_state_dict(state[1])
    for step in range(start, steps):
        branch = model.audio if step % 2 == 0 else model.visual
        wrapper.update_params(branch(torch.ones(2, 3) * (step + 1)).sum())
    return model, wrapper


@pytest.mark.parametrize('cut', [1, 2, 3])
def test_idle_branches_keep_zero_gradients_after_a_resume(cut):
    whole, _ = train_one_branch_at_a_time(6, zero_grad_set_to_none=False)
    first, wrapper = train_one_branch_at_a_time(cut, zero_grad_set_to_none=False)
    state = first.state_dict(), wrapper.state_dict()
    again, _ = train_one_branch_at_a_time(6, state, cut, zero_grad_set_to_none=False)
    for mine, theirs in zip(again.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_state_that_says_nothing_about_gradients_gives_zeros_where_there_are_moments():
    first, wrapper = train_one_branch_at_a_time(1, zero_grad_set_to_none=False)
    state = wrapper.state_dict()
    del state['with_grad']
    model, _ = train_one_branch_at_a_time(1, (first.state_dict(), state), 1, zero_grad_set_to_none=False)
    assert model.audio.weight.grad.abs().sum() == 0
    assert model.visual.weight.grad is None


def test_removing_gradients_is_the_default():
    model, _ = train_one_branch_at_a_time(2)
    assert model.audio.weight.grad is None
    kept, _ = train_one_branch_at_a_time(2, zero_grad_set_to_none=False)
    assert not torch.equal(model.audio.weight, kept.audio.weight)


def test_bfloat16_on_cpu_trains_and_resumes(tmp_path):
    options = dict(optim_wrapper=dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
                   train_cfg=dict(max_epochs=2))
    runner = build_toy_runner(toy_config(tmp_path, **options))
    kinds = []
    runner.model.classifier.register_forward_hook(
        lambda module, args, out: kinds.append((module.training, out.dtype)))
    runner.train()
    assert (True, torch.bfloat16) in kinds and (True, torch.float32) not in kinds
    assert next(runner.model.parameters()).dtype == torch.float32
    again = build_toy_runner(toy_config(tmp_path, resume=True, **options))
    again.train()
    assert again.iter == 8


@pytest.mark.parametrize(('dtype', 'message'),
                         [('float16', 'float16 needs a GPU'), ('float64', 'neither float16 nor')])
def test_amp_that_cannot_be(dtype, message, monkeypatch):
    from avmm.engine.optimizers import amp_optim_wrapper as module
    monkeypatch.setattr(module, 'get_device', lambda: 'cpu')
    with pytest.raises(ConfigError, match=message):
        AmpOptimWrapper(dtype=dtype, optimizer=torch.optim.SGD(TwoBranches().parameters(), lr=0.1))


def test_amp_state_moves_between_precisions():
    plain = OptimWrapper(torch.optim.SGD(TwoBranches().parameters(), lr=0.1))
    mixed = AmpOptimWrapper(optimizer=torch.optim.SGD(TwoBranches().parameters(), lr=0.2))
    mixed.load_state_dict(plain.state_dict())
    assert mixed.get_lr()['lr'] == [0.1]


@pytest.mark.parametrize('optimizer', ['Adafactor', 'Adam', 'AdamW', 'RMSprop'])
def test_optimisers_by_name(tmp_path, optimizer):
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1), optim_wrapper=dict(
        type='OptimWrapper', optimizer=dict(type=optimizer, lr=0.01, _delete_=True))))
    runner.train()
    assert type(runner.optim_wrapper.optimizer) is getattr(torch.optim, optimizer)
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_gradient_norm_is_logged(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1), **{
        'optim_wrapper.clip_grad': dict(max_norm=1e-3)}))
    runner.train()
    norms = runner.message_hub.get_scalar('train/grad_norm').data[0]
    assert len(norms) == 4 and (norms > 1e-3).all()
