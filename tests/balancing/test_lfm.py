from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from avmm.balancing import LFM, UnimodalLoss, alignment_loss, fitted_weights
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError
from tests.balancing.balance_cases import assert_same, toy_batch, toy_model, weights


def naive_alignment(p, q):
    """Divergences of rows from their means, row by row."""
    total = 0.0
    for a, b in zip(p.detach().softmax(1).double(), q.detach().softmax(1).double(), strict=True):
        m = (a + b) / 2
        total += 0.5 * float((m * (m / a).log()).sum() + (m * (m / b).log()).sum())
    return total / len(p)


def step(model, data, *hooks):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for hook in hooks:
        hook.attach(model, optimizer)
    model.train_step(data, OptimWrapper(optimizer))
    return model


def test_alignment_is_the_mean_divergence_from_the_mean():
    p, q = torch.randn(5, 7), torch.randn(5, 7)
    assert float(alignment_loss(p, q)) == pytest.approx(naive_alignment(p, q), rel=1e-5)
    assert float(alignment_loss(p, p)) == pytest.approx(0, abs=1e-6)
    segments = alignment_loss(p.view(1, 5, 7), q.view(1, 5, 7))
    torch.testing.assert_close(segments, alignment_loss(p, q))


def test_alignment_of_certain_and_opposite_answers_is_a_number():
    p = torch.tensor([[300.0, 0.0]], requires_grad=True)
    loss = alignment_loss(p, -p)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(p.grad).all()


def test_alignment_of_half_precision_is_computed_in_single():
    p, q = torch.randn(5, 7).bfloat16(), torch.randn(5, 7).bfloat16()
    loss = alignment_loss(p, q)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, alignment_loss(p.float(), q.float()))


def test_fitted_weights_add_up_to_one():
    for epoch in (0, 50, 199):
        k0, k1 = fitted_weights(epoch)
        assert k0 + k1 == pytest.approx(1) and 0 < k0 < 1
    assert fitted_weights(0)[0] == pytest.approx(0.204623704)


@pytest.mark.parametrize('space', ['logit', 'feature'])
@pytest.mark.parametrize('weights_of', ['constant', 'fitted'])
def test_the_objective_is_the_published_one(space, weights_of):
    model = toy_model()
    hook = LFM(space=space, weights=weights_of, weight=0.3)
    hook.set_epoch(20)
    data = toy_batch()
    model.train_step(data, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0)))
    plain = model.step
    values = plain.feats if space == 'feature' else model.unimodal_logits(plain.feats)
    a, loss = naive_alignment(values['audio'], values['visual']), float(plain.losses['loss_cls'])
    step(model, data, hook)
    total = float(model.parse_losses(model.step.losses)[0])
    k0, k1 = fitted_weights(20)
    assert total == pytest.approx(loss + 0.3 * a if weights_of == 'constant' else 2 * (k0 * loss + k1 * a), rel=1e-4)


def test_losses_of_other_hooks_are_weighed_along_whatever_the_order():
    first, second = toy_model(), toy_model()
    step(first, toy_batch(), LFM(), UnimodalLoss())
    step(second, toy_batch(), UnimodalLoss(), LFM())
    assert_same(weights(first), weights(second), rtol=1e-6, atol=1e-7)
    k0, _ = fitted_weights(0)
    plain = step(toy_model(), toy_batch(), UnimodalLoss())
    torch.testing.assert_close(first.step.losses['loss_UnimodalLoss'],
                               2 * k0 * plain.step.losses['loss_UnimodalLoss'])


def test_three_modalities_are_aligned_pair_by_pair():
    names = ('audio', 'visual', 'flow')
    model = toy_model(modalities=names)
    hook = LFM(weights='constant')
    step(model, toy_batch(8, 0, names), hook)
    z = model.unimodal_logits(model.step.feats)
    pairs = [naive_alignment(z[m], z[n]) for m, n in (('audio', 'visual'), ('audio', 'flow'), ('visual', 'flow'))]
    assert float(model.step.losses['loss_LFM']) == pytest.approx(sum(pairs) / 3, abs=0.05)


def test_one_step_of_the_learned_weight_follows_the_second_derivative():
    model = toy_model().double()
    hook = LFM(weights='learned', rate=10.0)
    hook.attach(model, torch.optim.SGD(model.parameters(), lr=0.1))
    data = toy_batch(4, dtype=torch.float64)
    first = next(model.parameters())
    before = [p.detach().clone() for p in model.parameters()]

    def gradients():
        model.eval()
        losses = model.forward(**data, mode='loss')
        k0, k1 = hook.pair
        align, loss = losses['loss_LFM'] / (2 * k1), losses['loss_cls'] / (2 * k0)
        params = list(model.parameters())
        total = torch.autograd.grad(k0 * loss + k1 * align, params, retain_graph=True)
        return total, torch.autograd.grad(loss, params)

    # The product with the gradient of the task, as a difference quotient along it.
    _, task = gradients()
    eps = 1e-5
    shifted = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, old, g in zip(model.parameters(), before, task, strict=True):
                p.copy_(old + sign * eps * g)
        shifted.append(gradients()[0][0])
    with torch.no_grad():
        for p, old in zip(model.parameters(), before, strict=True):
            p.copy_(old)
    expected = 0.95 - 10.0 * float(((shifted[0] - shifted[1]) / (2 * eps)).mean())
    assert first.ndim == 4
    hook.learn(data)
    assert hook.k1 == pytest.approx(min(max(expected, 0.05), 0.95), rel=1e-5)
    assert all(p.grad is None for p in model.parameters()) and not model.step


def config(tmp_path, **hook):
    learned = dict(type='LFM', weights='learned', rate=1.0, held_out=4, start=(0.5, 0.5), **hook)
    return toy_config(tmp_path, train_cfg=dict(max_epochs=3), custom_hooks=[learned])


def test_a_run_learns_once_an_epoch_and_resumes(tmp_path):
    runner = build_toy_runner(config(tmp_path / 'whole'))
    runner.train()
    hook = next(h for h in runner.hooks if isinstance(h, LFM))
    assert hook.k1 != 0.5 and 0.05 <= hook.k1 <= 0.95
    cfg = config(tmp_path / 'parts')
    cfg.update(resume=True, load_from=str(tmp_path / 'whole' / 'epoch_1.pth'))
    resumed = build_toy_runner(cfg)
    resumed.train()
    again = next(h for h in resumed.hooks if isinstance(h, LFM))
    assert again.state_dict() == hook.state_dict()
    assert_same(resumed.model.state_dict(), runner.model.state_dict(), atol=0, rtol=0)


def test_learning_leaves_training_as_it_is(tmp_path):
    """A learned weight with a rate of zero is a run with the first weight."""
    hooks = [dict(type='LFM', weights='learned', rate=0.0), dict(type='OGM', alpha=0.8)]
    learned = build_toy_runner(toy_config(tmp_path / 'learned', custom_hooks=hooks))
    learned.train()
    still = build_toy_runner(toy_config(tmp_path / 'still', custom_hooks=hooks))
    next(h for h in still.hooks if isinstance(h, LFM)).learn = lambda batch: None
    still.train()
    assert_same(learned.model.state_dict(), still.model.state_dict(), atol=0, rtol=0)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(space='probability'), r"LFM\.space is 'probability'; use 'logit' or 'feature'"),
    (dict(weights='random'), r"LFM\.weights is 'random'"),
    (dict(start=(0.5, 0.6)), 'the two weights have to add up to 1'),
])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LFM(**options)
