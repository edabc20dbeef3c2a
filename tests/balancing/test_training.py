"""Balancing under gradient accumulation, mixed precision, clipping and SAM."""
from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from avmm.balancing import OGM, OGMGE
from tests.balancing.balance_cases import (
    assert_same,
    backward,
    naive_update,
    part,
    toy_batch,
    toy_model,
    train,
    weights,
)


def halves(data: dict, count: int) -> list[dict]:
    size = len(data['data_samples']) // count
    return [part(data, slice(i * size, (i + 1) * size)) for i in range(count)]


@pytest.mark.parametrize('kind', [OGM, OGMGE])
def test_four_micro_batches_of_16_are_one_batch_of_64(kind):
    whole, accumulated = toy_model(), toy_model()
    batches = [toy_batch(64, seed) for seed in range(3)]
    hooks = kind(alpha=0.8), kind(alpha=0.8)
    train(whole, batches, hooks[0])
    train(accumulated, [m for b in batches for m in halves(b, 4)], hooks[1], accumulative_counts=4)
    assert_same(weights(accumulated), weights(whole), rtol=1e-4, atol=1e-6)
    logs = [{m: float(v) for m, v in hook.read_log().items()} for hook in hooks]
    assert logs[1] == pytest.approx(logs[0], rel=1e-5)
    assert min(logs[0].values()) < 0.9


def test_clipping_acts_before_the_modulation():
    model, plain = toy_model(), toy_model()
    data, bound = toy_batch(), 1e-2
    hook = OGM(alpha=0.8)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    start = weights(model)
    train(model, [data], hook, optimizer, clip_grad=dict(max_norm=bound))
    backward(plain, data)
    norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), bound)
    assert norm > bound
    k = hook.read_log()
    for m in ('audio', 'visual'):
        name = f'encoders.{m}.conv.weight'
        torch.testing.assert_close(start[name] - weights(model)[name],
                                   k[m] * plain.encoders[m].conv.weight.grad, rtol=1e-3, atol=1e-7)


def scaled_training(hook, scale: float, fused: bool, tiny: float = 1.0):
    """Two updates under a gradient scaler; ``tiny`` shrinks the loss, and the gradients with it."""
    model = toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / tiny, momentum=0.9, fused=fused)
    hook.attach(model, optimizer)
    scaler = torch.amp.GradScaler('cpu', init_scale=scale)
    for seed in range(2):
        optimizer.zero_grad()
        scaler.scale(model(**toy_batch(8, seed), mode='loss')['loss_cls'] * tiny).backward()
        scaler.step(optimizer)
        scaler.update()
    return weights(model)


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('tiny', [1.0, 1e-7])
def test_a_scaled_loss_gives_the_same_update(fused, tiny):
    # At 1e-7 the 1e-8 that is added to each standard deviation matters: it must be scaled like the gradients.
    plain = scaled_training(OGMGE(alpha=0.8), 1.0, False, tiny)
    scaled = scaled_training(OGMGE(alpha=0.8), 2.0**12, fused, tiny)
    assert_same(scaled, plain, rtol=1e-3, atol=1e-5)


def test_the_added_constant_is_seen_in_tiny_gradients():
    with_tiny = scaled_training(OGMGE(alpha=0.8), 1.0, False, 1e-7)
    without = scaled_training(OGMGE(alpha=0.8), 1.0, False, 1.0)
    name = 'encoders.audio.conv.weight'
    assert not torch.allclose(with_tiny[name], without[name], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize('set_to_none', [True, False])
def test_an_update_that_the_scaler_skips_leaves_no_scores(set_to_none):
    model, plain = toy_model(), toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    hook = OGM(alpha=0.8)
    hook.attach(model, optimizer)
    scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    for data, factor in ((toy_batch(8, 0), float('inf')), (toy_batch(8, 1), 1.0)):
        scaler.scale(model(**data, mode='loss')['loss_cls'] * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=set_to_none)
        hook.after_train_iter(FakeRunner(OptimWrapper(optimizer)), 0)
    naive = naive_update(plain, toy_batch(8, 1), torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9,
                                                                 weight_decay=1e-3), 0.8)
    assert_same(weights(model), weights(plain), rtol=1e-4, atol=1e-6)
    assert min(naive.values()) < 0.9


class FakeRunner:
    """What ``after_train_iter`` reads of a runner."""

    train_dataloader = range(100)

    def __init__(self, optim_wrapper):
        self.optim_wrapper = optim_wrapper


def test_bfloat16_autocast_stays_near_full_precision():
    logs = []
    for half in (False, True):
        model, hook = toy_model(), OGMGE(alpha=0.8)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        hook.attach(model, optimizer)
        with torch.autocast('cpu', torch.bfloat16, enabled=half):
            loss = model(**toy_batch(), mode='loss')['loss_cls']
        loss.backward()
        optimizer.step()
        assert all(torch.isfinite(p).all() for p in model.parameters())
        log = hook.read_log()
        assert log['audio'].dtype == torch.float32
        logs.append({m: float(v) for m, v in log.items()})
    assert logs[1] == pytest.approx(logs[0], abs=2e-2)


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimisation in the usual form: two passes, one step of an inner optimiser."""

    def __init__(self, params, rho: float, **inner):
        super().__init__(params, dict(rho=rho))
        self.rho = rho
        self.base_optimizer = torch.optim.SGD(self.param_groups, **inner)

    @torch.no_grad()
    def climb(self):
        params = [p for g in self.param_groups for p in g['params']]
        norm = torch.stack([p.grad.norm() for p in params]).norm()
        self.moves = [(p, p.grad * self.rho / norm) for p in params]
        for p, move in self.moves:
            p.add_(move)
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        self.climb()
        with torch.enable_grad():
            closure()
        for p, move in self.moves:
            p.sub_(move)
        self.base_optimizer.step()


class SAMOptimWrapper(OptimWrapper):
    """The same as a wrapper around a plain optimiser."""

    def __init__(self, optimizer, rho: float):
        super().__init__(optimizer)
        self.rho = rho

    def update(self, model, data):
        self.zero_grad()
        backward(model, data)
        SAM.climb(self)
        backward(model, data)
        with torch.no_grad():
            for p, move in self.moves:
                p.sub_(move)
        self.step()


def sam_reference(data, rho: float, alpha: float):
    """Move the weights uphill by hand, then let the naive loop make the update there; and move back."""
    model = toy_model()
    backward(model, data)
    sam = SAM(model.parameters(), rho, lr=0.1)
    sam.climb()
    coefficients = naive_update(model, data, torch.optim.SGD(model.parameters(), lr=0.1), alpha)
    with torch.no_grad():
        for p, move in sam.moves:
            p.sub_(move)
    return weights(model), coefficients


@pytest.mark.parametrize('as_wrapper', [False, True])
def test_under_sam_the_second_gradient_is_modulated_once(as_wrapper):
    data, rho, alpha = toy_batch(), 0.5, 0.8
    expected, coefficients = sam_reference(data, rho, alpha)
    model, hook = toy_model(), OGM(alpha=alpha)
    if as_wrapper:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        hook.attach(model, optimizer)
        SAMOptimWrapper(optimizer, rho).update(model, data)
    else:
        optimizer = SAM(model.parameters(), rho, lr=0.1)
        hook.attach(model, optimizer)
        backward(model, data)
        optimizer.step(lambda: backward(model, data))
    assert_same(weights(model), expected, rtol=1e-4, atol=1e-6)
    assert hook._log_count == 1
    assert {m: float(v) for m, v in hook.read_log().items()} == pytest.approx(coefficients, rel=1e-5)
