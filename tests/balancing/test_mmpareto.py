from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper

from avmm.balancing import MMPareto, join_gradients, min_norm_weights
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError, NonFiniteLossError
from tests.balancing.balance_cases import assert_same, part, toy_batch, toy_model, weights


@pytest.mark.parametrize(('g0', 'g1'), [([1., 0.], [-1., 1.]), ([1., 0.], [3., 0.1]), ([3., 0.1], [1., 0.]),
                                        ([2., 1.], [-2., 1.]), ([1., 2.], [-0.5, 0.5])])
def test_min_norm_weights_find_the_shortest_point_of_the_segment(g0, g1):
    a, b = torch.tensor(g0), torch.tensor(g1)
    w0, w1, norm = (float(x) for x in min_norm_weights(a @ a, a @ b, b @ b))
    grid = np.linspace(0, 1, 100001)
    lengths = ((grid[:, None] * np.array(g0) + (1 - grid[:, None]) * np.array(g1))**2).sum(1)
    assert w0 + w1 == pytest.approx(1)
    assert w0 == pytest.approx(np.clip(grid[lengths.argmin()], 0.001, 0.999), abs=1e-4)
    assert norm == pytest.approx(lengths.min(), rel=1e-4, abs=1e-6)


def test_gradients_that_agree_are_added():
    first, second = [torch.tensor([1.0, 0.5])], [torch.tensor([0.5, 2.0])]
    joined, w0 = join_gradients(first, second, alpha=1.5)
    torch.testing.assert_close(joined[0], 1.5 * (first[0] + second[0]))
    assert float(w0) == 0.5


def test_gradients_that_oppose_each_other_are_joined_to_one_that_opposes_none():
    torch.manual_seed(0)
    first = [torch.randn(4, 3), torch.randn(5)]
    second = [-0.5 * first[0] + 0.3 * torch.randn(4, 3), -0.5 * first[1] + torch.randn(5)]
    joined, w0 = join_gradients(first, second)
    plain = [a + b for a, b in zip(first, second, strict=True)]
    for tensor, reference in zip(joined, plain, strict=True):
        assert float(tensor.norm()) >= float(reference.norm()) * (1 - 1e-6)
    direction = [2 * w0 * a + 2 * (1 - w0) * b for a, b in zip(first, second, strict=True)]
    for g in (first, second):
        assert sum(float((a * b).sum()) for a, b in zip(direction, g, strict=True)) >= -1e-5
    for tensor, d in zip(joined, direction, strict=True):
        torch.testing.assert_close(tensor / tensor.norm(), d / d.norm())


def naive_gradients(model, data, alpha):
    """Gradients of each objective by backward passes of their own, joined parameter by parameter."""
    def gradients_of(pick):
        model.zero_grad()
        losses = model(**data, mode='loss')
        alone = {m: torch.nn.functional.cross_entropy(z, model.step.labels)
                 for m, z in model.unimodal_logits(model.step.feats).items()}
        pick(losses, alone).backward()
        return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    joint = gradients_of(lambda losses, alone: losses['loss_cls'])
    alone = {m: gradients_of(lambda losses, a, m=m: a[m]) for m in model.modalities}
    result = {n: joint[n] + sum(g[n] for g in alone.values()) for n in joint}
    for m in model.modalities:
        names = [n for n in joint if n.startswith(f'encoders.{m}')]
        flat = [torch.cat([g[n].flatten() for n in names]) for g in (joint, alone[m])]
        w0 = 0.5 if flat[0] @ flat[1] > 0 else float(min_norm_weights(
            flat[0] @ flat[0], flat[0] @ flat[1], flat[1] @ flat[1])[0])
        for n in names:
            new = 2 * w0 * joint[n] + 2 * (1 - w0) * alone[m][n]
            plain = joint[n] + alone[m][n]
            result[n] = alpha * new * max(1.0, float(plain.norm() / new.norm()))
    return result


class Opposed(type(toy_model())):
    """The share of the classifier of the audio branch speaks against the joint answer."""

    def unimodal_logits(self, feats):
        alone = super().unimodal_logits(feats)
        return dict(alone, audio=-alone['audio'])


@pytest.mark.parametrize('kind', [type(toy_model()), Opposed])
def test_an_update_follows_the_naive_gradients(kind):
    model = kind(num_classes=4, width=6, dropout=0.0).train()
    data = toy_batch()
    expected = naive_gradients(model, data, 1.5)
    model.zero_grad()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = MMPareto()
    hook.attach(model, optimizer)
    seen = {}
    optimizer.register_step_pre_hook(
        lambda *_: seen.update({n: p.grad.clone() for n, p in model.named_parameters()}))
    log = model.train_step(data, OptimWrapper(optimizer))
    assert_same(seen, expected, rtol=1e-4, atol=1e-6)
    assert {'loss', 'loss_cls', 'loss_MMPareto'} <= set(log)
    logged = {m: float(v) for m, v in hook.read_log().items()}
    assert logged['visual'] == 1 and (logged['audio'] == 1) == (kind is not Opposed)


def test_accumulated_batches_and_clipping_go_through_the_wrapper():
    halves = [part(toy_batch(8), slice(0, 4)), part(toy_batch(8), slice(4, 8))]
    model, plain = toy_model(), toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    MMPareto(alpha=1.0).attach(model, optimizer)
    wrapper = OptimWrapper(optimizer, accumulative_counts=2, clip_grad=dict(max_norm=0.05))
    for data in halves:
        model.train_step(data, wrapper)
    moved = torch.cat([(p - q).flatten() for p, q in zip(model.parameters(), plain.parameters(), strict=True)])
    assert float(moved.norm()) == pytest.approx(0.1 * 0.05, rel=1e-3)


def test_a_loss_that_is_no_number_never_reaches_the_optimiser():
    model = toy_model()
    before = weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    MMPareto().attach(model, optimizer)
    data = toy_batch()
    data['inputs']['audio'][0] = float('nan')
    with pytest.raises(NonFiniteLossError):
        model.train_step(data, OptimWrapper(optimizer))
    assert_same(before, weights(model), atol=0, rtol=0)


def test_a_run_trains_logs_and_leaves_nothing_behind(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path, custom_hooks=[dict(type='MMPareto', ends=1)]))
    runner.train()
    assert 'train/balance/audio' in runner.message_hub.log_scalars
    assert runner.model.train_step_policy is None and not runner.model._loss_terms


def test_two_methods_that_do_the_whole_update_are_refused():
    model = toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    MMPareto().attach(model, optimizer)
    with pytest.raises(ConfigError, match='does the whole update itself, and another hook does so already'):
        MMPareto(name='second').attach(model, optimizer)


def test_an_impossible_factor_is_refused():
    with pytest.raises(ConfigError, match=r'MMPareto\.alpha is 0; it must be more than 0'):
        MMPareto(alpha=0)


def test_a_frozen_branch_is_left_alone():
    model = toy_model()
    model.encoders['audio'].requires_grad_(False)
    before = weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = MMPareto()
    hook.attach(model, optimizer)
    model.train_step(toy_batch(), OptimWrapper(optimizer))
    moved = {name for name, p in weights(model).items() if not torch.equal(p, before[name])}
    assert moved == {name for name in before if 'audio' not in name} and float(hook.read_log()['audio']) == 1
