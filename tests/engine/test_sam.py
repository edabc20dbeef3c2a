"""Sharpness-aware minimisation as an optimiser wrapper."""
from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from avmm.balancing import OGM, MMPareto
from avmm.engine.optimizers import SAMOptimWrapper
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError, NonFiniteLossError
from tests.balancing.balance_cases import assert_same, toy_batch, toy_model, weights

SAM = dict(type='SAMOptimWrapper', rho=0.1, optimizer=dict(type='SGD', lr=0.1, momentum=0.9))


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-3)


def loss_of(model, data):
    return model.parse_losses(model(**model.data_preprocessor(data, training=True), mode='loss'))[0]


def naive_step(model, data, optimizer, rho, adaptive=False):
    """Sharpness-aware minimisation, parameter by parameter."""
    loss_of(model, data).backward()
    params = [p for p in model.parameters() if p.grad is not None]
    old = [p.detach().clone() for p in params]
    with torch.no_grad():
        squares = sum(((p.abs() if adaptive else 1.0) * p.grad).pow(2).sum() for p in params)
        for p in params:
            p.add_((p.pow(2) if adaptive else 1.0) * p.grad * rho / (squares.sqrt() + 1e-12))
    model.zero_grad()
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
    for layer in momenta:
        layer.momentum = 0.0
    loss_of(model, data).backward()
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    with torch.no_grad():
        for p, value in zip(params, old, strict=True):
            p.copy_(value)
    optimizer.step()
    model.zero_grad()


@pytest.mark.parametrize('adaptive', [False, True])
def test_steps_follow_the_naive_ones(adaptive):
    ours = toy_model(batch_norm=True)
    naive = copy.deepcopy(ours)
    wrapper, optimizer = SAMOptimWrapper(adam(ours), rho=0.3, adaptive=adaptive), adam(naive)
    plain = copy.deepcopy(ours)
    plain_optimizer = adam(plain)
    for seed in range(3):
        data = toy_batch(8, seed)
        ours.train_step(copy.deepcopy(data), wrapper)
        naive_step(naive, data, optimizer, 0.3, adaptive)
        loss_of(plain, data).backward()
        plain_optimizer.step()
        plain.zero_grad()
    assert_same(weights(ours), weights(naive), atol=1e-6, rtol=1e-5)
    for (name, mine), theirs in zip(ours.named_buffers(), naive.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=name)
    assert ours.encoders['audio'].norm.num_batches_tracked == 6
    gap = max(float((a - b).detach().abs().max()) for a, b in zip(ours.parameters(), plain.parameters(), strict=True))
    assert gap > 1e-3


def test_a_radius_of_zero_is_no_change():
    ours, plain = toy_model(), toy_model()
    optimizer = adam(plain)
    data = toy_batch(8, 0)
    ours.train_step(copy.deepcopy(data), SAMOptimWrapper(adam(ours), rho=0.0))
    loss_of(plain, data).backward()
    optimizer.step()
    assert_same(weights(ours), weights(plain), atol=1e-7, rtol=1e-6)


def test_a_balancing_hook_acts_once_on_the_second_gradient():
    model = toy_model()
    wrapper = SAMOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.5, zero_grad_set_to_none=False)
    acted, counted = [], []

    class Recorder(OGM):
        def batch_scores(self, model, step):
            counted.append(1)
            return super().batch_scores(model, step)

        def coefficients(self, scores):
            acted.append(scores.clone())
            return super().coefficients(scores)

    data = toy_batch(8, 0)
    Recorder(alpha=0.5).attach(model, wrapper.optimizer)
    for _ in range(2):
        model.train_step(copy.deepcopy(data), wrapper)
    assert (len(counted), len(acted)) == (4, 2)
    # The scores of one pass: none larger than the batch.
    assert all(float(scores.max()) <= 8 for scores in acted)


def test_idle_parameters_keep_zero_gradients():
    model = toy_model()
    extra = nn.Parameter(torch.ones(2))
    wrapper = SAMOptimWrapper(torch.optim.SGD([*model.parameters(), extra], lr=0.1, weight_decay=0.1),
                              zero_grad_set_to_none=False)
    extra.grad = torch.zeros(2)
    model.train_step(toy_batch(8, 0), wrapper)
    assert torch.equal(extra.grad, torch.zeros(2))
    assert torch.allclose(extra.detach(), torch.full((2, ), 0.99))


@pytest.mark.parametrize(('options', 'message'), [
    (dict(accumulative_counts=2), 'accumulative_counts is 2; it must be 1'),
    (dict(rho=-1), 'rho is -1; it must be 0 or more'),
    (dict(dtype='float16'), "dtype='float16' is neither None nor 'bfloat16'"),
])
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SAMOptimWrapper(adam(toy_model()), **options)


def test_a_policy_with_its_own_update_is_refused():
    model = toy_model()
    wrapper = SAMOptimWrapper(adam(model))
    MMPareto().attach(model, wrapper.optimizer)
    with pytest.raises(ConfigError, match='needs a second pass over each batch'):
        model.train_step(toy_batch(8, 0), wrapper)


def test_the_weights_come_back_if_the_second_pass_fails():
    model = toy_model(batch_norm=True)
    wrapper = SAMOptimWrapper(adam(model), rho=1e30)
    before = weights(model)
    with pytest.raises(NonFiniteLossError):
        model.train_step(toy_batch(8, 0), wrapper)
    assert_same(weights(model), before, atol=0, rtol=0)


def test_bfloat16_and_resume_in_a_run(tmp_path):
    cfg = dict(optim_wrapper=dict(SAM, dtype='bfloat16'),
               **{'default_hooks.checkpoint': dict(type='CheckpointHook', interval=3, by_epoch=False)})
    whole = build_toy_runner(toy_config(tmp_path, **cfg))
    whole.train()
    again = build_toy_runner(toy_config(tmp_path, resume=True, load_from=str(tmp_path / 'iter_6.pth'), **cfg))
    again.train()
    assert again.iter == 12
    assert_same(weights(again.model), weights(whole.model), atol=0, rtol=0)
