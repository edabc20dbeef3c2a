from __future__ import annotations

import math

import pytest
import torch

from avmm.balancing import OGM, OGMGE, NoiseSource, label_score, modulation, tensor_stds
from avmm.utils import ConfigError
from tests.balancing.balance_cases import assert_same, backward, naive_update, toy_batch, toy_model, train, weights


def seeded_noise(name, grad):
    return torch.randn(grad.shape, generator=torch.Generator().manual_seed(len(name)), dtype=grad.dtype)


@pytest.mark.parametrize('alpha', [0.1, 0.8])
@pytest.mark.parametrize('batch_norm', [False, True])
def test_ogm_follows_the_naive_loop(alpha, batch_norm):
    ours, naive = toy_model(batch_norm=batch_norm), toy_model(batch_norm=batch_norm)
    optimizer = torch.optim.SGD(naive.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    batches = [toy_batch(8, seed) for seed in range(4)]
    hook = OGM(alpha=alpha)
    train(ours, batches, hook)
    naive_ones = [naive_update(naive, data, optimizer, alpha) for data in batches]
    assert any(min(c.values()) < 0.9 for c in naive_ones)
    assert_same(weights(ours), weights(naive), atol=1e-6, rtol=1e-5)
    logged = hook.read_log()
    for m in ('audio', 'visual'):
        assert float(logged[m]) == pytest.approx(sum(c[m] for c in naive_ones) / 4, abs=1e-5)


def test_ogm_ge_follows_the_naive_loop_with_given_noise():
    ours, naive = toy_model(), toy_model()
    optimizer = torch.optim.SGD(naive.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    batches = [toy_batch(8, seed) for seed in range(4)]
    train(ours, batches, OGMGE(alpha=0.8, noise_source=seeded_noise))
    for data in batches:
        naive_update(naive, data, optimizer, 0.8, seeded_noise)
    assert_same(weights(ours), weights(naive), atol=2e-6, rtol=1e-5)


def test_double_precision_keeps_its_digits():
    ours, naive = toy_model().double(), toy_model().double()
    optimizer = torch.optim.SGD(naive.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    data = toy_batch(8, 0, dtype=torch.float64)
    train(ours, [data], OGMGE(alpha=0.8, noise_source=seeded_noise))
    naive_update(naive, data, optimizer, 0.8, seeded_noise)
    assert_same(weights(ours), weights(naive), atol=1e-12, rtol=1e-10)


def test_only_convolutions_of_the_branches_are_edited():
    model, plain = toy_model(batch_norm=True), toy_model(batch_norm=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    data = toy_batch()
    backward(plain, data)
    OGMGE(seed=3).attach(model, optimizer)
    backward(model, data)
    optimizer.step()
    changed = {n for (n, p), q in zip(model.named_parameters(), plain.parameters(), strict=True)
               if not torch.equal(p.grad, q.grad)}
    assert changed == {'encoders.audio.conv.weight', 'encoders.visual.conv.weight'}


def test_ratio_and_coefficients_of_two_modalities():
    k = modulation(torch.tensor([2.0, 4.0]), alpha=0.5)
    torch.testing.assert_close(k, torch.tensor([1.0, 1 - math.tanh(1.0)]))
    k = modulation(torch.tensor([4.0, 2.0]), alpha=0.5)
    torch.testing.assert_close(k, torch.tensor([1 - math.tanh(1.0), 1.0]))


def test_at_a_tie_the_first_modality_is_scaled():
    k = modulation(torch.tensor([3.0, 3.0]), alpha=0.8)
    torch.testing.assert_close(k, torch.tensor([1 - math.tanh(0.8), 1.0]))


def test_scores_of_zero_give_numbers():
    torch.testing.assert_close(modulation(torch.tensor([0.0, 1.0]), 0.8), torch.tensor([1.0, 0.0]))
    assert torch.isfinite(modulation(torch.zeros(2), 0.8)).all()


def test_three_modalities_are_compared_with_the_mean_of_the_others():
    k = modulation(torch.tensor([1.0, 3.0, 2.0]), alpha=0.3)
    torch.testing.assert_close(k, torch.tensor([1.0, 1 - math.tanh(0.3 * 2), 1.0]))
    torch.testing.assert_close(modulation(torch.full((3, ), 2.0), 0.3), torch.ones(3))


def test_three_modalities_train():
    names = ('audio', 'visual', 'flow')
    model = toy_model(modalities=names)
    hook = OGM(alpha=0.8)
    train(model, [toy_batch(8, 0, names)], hook)
    assert set(hook.read_log()) == set(names)


def test_label_score_sums_probabilities_of_the_labels():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    torch.testing.assert_close(label_score(logits, torch.tensor([0, 0])), torch.tensor(0.5 + 0.75))
    soft = torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    torch.testing.assert_close(label_score(logits, soft), torch.tensor(0.5 + 0.2 * 0.75 + 0.8 * 0.25))


def test_label_score_of_segments_and_half_precision():
    logits = torch.randn(2, 5, 3).bfloat16()
    labels = torch.randint(3, (2, 5))
    score = label_score(logits, labels)
    flat = sum(float(torch.softmax(z.float(), 0)[y]) for z, y in zip(logits.flatten(0, 1), labels.flatten(),
                                                                     strict=True))
    assert score.dtype == torch.float32
    assert float(score) == pytest.approx(flat, rel=1e-5)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_tensor_stds_are_the_unbiased_ones(dtype):
    # Gradients as small as they come, with a mean of ten standard deviations.
    tensors = [(torch.randn(n, 3, 2, 2, dtype=dtype) + 10) * 10.0**-n for n in (1, 4, 7)]
    for ours, tensor in zip(tensor_stds(tensors), tensors, strict=True):
        torch.testing.assert_close(ours, tensor.std(), rtol=1e-4, atol=0)


def test_tensor_stds_of_one_element_and_of_a_constant_are_zero():
    one, constant = tensor_stds([torch.full((1, 1, 1, 1), 3.0), torch.zeros(2, 2, 1, 1)])
    assert float(one) == 0 and float(constant) == 0


def test_noise_has_the_spread_of_the_gradient():
    model = toy_model(width=64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    hook = OGMGE(alpha=0.0, seed=1)
    hook.attach(model, optimizer)
    backward(model, toy_batch())
    weight = model.encoders['visual'].conv.weight
    before = weight.grad.clone()
    optimizer.step()
    noise = weight.grad - before
    assert float(noise.std() / before.std()) == pytest.approx(1, abs=0.1)
    assert abs(float(noise.mean() / noise.std())) < 0.1


def test_without_noise_ogm_ge_is_ogm():
    first, second = toy_model(), toy_model()
    train(first, [toy_batch()], OGMGE(alpha=0.8, noise_scale=0))
    train(second, [toy_batch()], OGM(alpha=0.8))
    assert_same(weights(first), weights(second), atol=0, rtol=0)


def test_noise_scale_is_a_factor():
    def noise_of(scale):
        model = toy_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        OGMGE(alpha=0.8, seed=5, noise_scale=scale).attach(model, optimizer)
        backward(model, toy_batch())
        optimizer.step()
        return model.encoders['audio'].conv.weight.grad
    silent, once, twice = noise_of(0), noise_of(1), noise_of(2)
    torch.testing.assert_close(twice - silent, 2 * (once - silent), rtol=1e-4, atol=1e-7)


def filled(source, like):
    """A tensor like ``like`` that holds the noise of the source."""
    out = torch.empty_like(like)
    for piece, noise in source.pieces(out):
        piece.copy_(noise)
    return out


def test_noise_depends_on_seed_and_step_alone():
    like = torch.zeros(4, 3, 3, 3)
    first, second, other = NoiseSource(1), NoiseSource(1), NoiseSource(2)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    draws = []
    for source in (first, second, other):
        source.start_step()
        draws.append(filled(source, like))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    named = NoiseSource(1, 'another hook')
    named.start_step()
    assert not torch.equal(filled(named, like), draws[0])
    first.start_step()
    assert not torch.equal(filled(first, like), draws[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise_of_channels_last_gradients():
    like = torch.zeros(4, 3, 5, 5).to(memory_format=torch.channels_last)
    source = NoiseSource()
    source.start_step()
    noise = filled(source, like)
    assert noise.stride() == like.stride()
    assert 0.8 < float(noise.std()) < 1.2


def test_noise_of_large_tensors_comes_in_pieces_that_differ():
    like = torch.zeros(3, 70000)
    source = NoiseSource()
    source.start_step()
    assert [len(piece) for piece, _ in source.pieces(like)] == [65536] * 3 + [210000 - 3 * 65536]
    noise = filled(source, like).flatten()
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert not torch.equal(noise[:1000], noise[65536:66536])


@pytest.mark.parametrize(('options', 'message'), [
    (dict(alpha=-1), r'OGMGE\.alpha is -1'),
    (dict(noise_scale=-0.5), r'OGMGE\.noise_scale is -0\.5'),
    (dict(starts=5, ends=4), r'OGMGE: the window starts=5, ends=4 holds no epoch'),
    (dict(params=dict(dim=4)), r"OGMGE\.params has \['dim'\]; it takes dims and pattern"),
])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        OGMGE(**options)
