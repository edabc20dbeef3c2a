from __future__ import annotations

import math

import pytest
import torch

from avmm.balancing import OGMGE, InverseEffectiveness, UnimodalLoss, inverse_coefficient
from avmm.utils import ConfigError
from tests.balancing.balance_cases import (
    assert_same,
    differ,
    naive_coefficients,
    toy_batch,
    toy_model,
    train,
    weights,
)

FUSION = dict(pattern=r'^classifier')


def hook(**options):
    return InverseEffectiveness(**{'params': FUSION, 'noise_scale': 0, **options})


def naive_coefficient(model, gamma):
    """The coefficient, sample by sample in plain Python."""
    step = model.step
    alone = model.unimodal_logits(step.feats)
    s = {name: sum(torch.softmax(z[i], 0)[y].item() for i, y in enumerate(step.labels))
         for name, z in {**alone, 'joint': step.logits}.items()}
    r = (s['audio'] + s['visual']) / 2 / s['joint']
    return gamma * (1 + math.tanh(1 - r))


def naive_update(model, data, optimizer, gamma, alpha=None, noise=None, joint_loss=True):
    """One update in the official order: OGM-GE, then the fusion."""
    optimizer.zero_grad()
    loss = model(**data, mode='loss')['loss_cls']
    alone = model.unimodal_logits(model.step.feats)
    if joint_loss:
        loss = loss + sum(torch.nn.functional.cross_entropy(z, model.step.labels) for z in alone.values())
    loss.backward()
    xi, k = naive_coefficient(model, gamma), naive_coefficients(model, alpha) if alpha else {}
    for name, p in model.named_parameters():
        factor = xi if name.startswith('classifier') else next((v for m, v in k.items() if m in name and p.ndim == 4),
                                                               None)
        if factor is not None:
            extra = noise(name, p.grad) * (p.grad.std() + 1e-8) if noise else 0
            p.grad = p.grad * factor + extra
    optimizer.step()
    return xi


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)


def train_all(model, batches, *hooks):
    """Updates through ``AVModel.train_step``, which sums all loss terms."""
    from mmengine.optim import OptimWrapper
    optimizer = sgd(model)
    for method in hooks:
        method.attach(model, optimizer)
    for data in batches:
        model.train_step(data, OptimWrapper(optimizer))


def seeded_noise(name, grad):
    return torch.randn(grad.shape, generator=torch.Generator().manual_seed(len(name)), dtype=grad.dtype)


@pytest.mark.parametrize('gamma', [0.1, 1.0, 5.0])
@pytest.mark.parametrize('joint_loss', [True, False])
def test_follows_the_naive_loop(gamma, joint_loss):
    ours, naive = toy_model(), toy_model()
    batches = [toy_batch(8, seed) for seed in range(4)]
    method = hook(gamma=gamma, joint_loss=joint_loss)
    train_all(ours, batches, method)
    optimizer = sgd(naive)
    xis = [naive_update(naive, data, optimizer, gamma, joint_loss=joint_loss) for data in batches]
    assert_same(weights(ours), weights(naive), atol=1e-6, rtol=1e-5)
    assert float(method.read_log()['inverse']) == pytest.approx(sum(xis) / 4, rel=1e-4)
    assert max(abs(xi / gamma - 1) for xi in xis) > 0.05


def test_follows_ogm_ge_in_the_official_order_with_given_noise():
    ours, naive = toy_model(), toy_model()
    batches = [toy_batch(8, seed) for seed in range(3)]
    train_all(ours, batches, OGMGE(alpha=0.8, noise_source=seeded_noise),
              hook(noise_scale=1.0, noise_source=seeded_noise))
    optimizer = sgd(naive)
    for data in batches:
        naive_update(naive, data, optimizer, 1.0, 0.8, seeded_noise)
    assert_same(weights(ours), weights(naive), atol=2e-6, rtol=1e-5)


def test_the_losses_of_the_modalities_do_not_depend_on_the_window():
    models = [toy_model() for _ in range(3)]
    batches = [toy_batch(8, seed) for seed in range(2)]
    train_all(models[0], batches, hook(starts=5))
    train_all(models[1], batches, UnimodalLoss())
    train_all(models[2], batches, hook(starts=5, joint_loss=False))
    plain = toy_model()
    train_all(plain, batches)
    assert_same(weights(models[0]), weights(models[1]), atol=0, rtol=0)
    assert_same(weights(models[2]), weights(plain), atol=0, rtol=0)
    assert differ(weights(models[0]), weights(plain))


def test_nothing_stays_on_the_model():
    model = toy_model()
    method = hook()
    optimizer = sgd(model)
    method.attach(model, optimizer)
    assert model._loss_terms
    method.detach()
    assert not model._loss_terms and not model._forward_hooks and not optimizer._optimizer_step_pre_hooks


def test_noise_reaches_the_fusion_alone():
    quiet, loud = toy_model(), toy_model()
    train_all(quiet, [toy_batch()], hook())
    train_all(loud, [toy_batch()], hook(noise_scale=1.0, seed=3))
    assert differ(weights(quiet), weights(loud)) == {'classifier.weight', 'classifier.bias'}


def test_the_coefficient_rises_where_the_modalities_are_weak():
    assert float(inverse_coefficient(torch.tensor([2.0, 4.0, 3.0]))) == pytest.approx(1)
    weak = inverse_coefficient(torch.tensor([0.0, 0.0, 8.0]), 2.0)
    strong = inverse_coefficient(torch.tensor([9.0, 9.0, 1.0]))
    assert float(weak) == pytest.approx(2 * (1 + math.tanh(1)), rel=1e-5) and float(strong) < 1e-6
    assert float(inverse_coefficient(torch.tensor([1.0, 2.0, 3.0, 2.0]))) == pytest.approx(1)


def test_scores_of_zero_give_numbers():
    assert torch.isfinite(inverse_coefficient(torch.zeros(3)))
    assert float(inverse_coefficient(torch.tensor([1.0, 1.0, 0.0]))) == 0


def test_three_modalities_train():
    names = ('audio', 'visual', 'flow')
    model = toy_model(modalities=names)
    method = hook()
    train_all(model, [toy_batch(8, 0, names)], method)
    assert set(method.read_log()) == {'inverse'}


def test_a_window_closes_the_coefficient():
    model, plain = toy_model(), toy_model()
    method = hook(ends=0, joint_loss=False)
    method.set_epoch(1)
    train_all(model, [toy_batch()], method)
    train_all(plain, [toy_batch()])
    assert_same(weights(model), weights(plain), atol=0, rtol=0)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(params=None), r"ToyAVModel has no module named fusion; say which parameters fuse"),
    (dict(params=dict(pattern='mixer')), "no parameter of ToyAVModel that learns has a name with 'mixer'"),
])
def test_a_model_without_a_known_fusion_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        train(toy_model(), [], InverseEffectiveness(**options))


def test_negative_gamma_is_refused():
    with pytest.raises(ConfigError, match=r'InverseEffectiveness\.gamma is -1'):
        InverseEffectiveness(gamma=-1)


@pytest.mark.parametrize(('fusion', 'expected'), [
    ('ConcatFusion', {'fusion.fc_out.weight', 'fusion.fc_out.bias'}),
    ('AttentionFusion', {'fusion.fc_out.weight', 'fusion.fc_out.bias'}),
    ('SumFusion', {'fusion.fc.audio.weight', 'fusion.fc.audio.bias', 'fusion.fc.visual.weight',
                   'fusion.fc.visual.bias'}),
])
def test_the_default_target_is_the_classifier_of_the_fusion(fusion, expected):
    from avmm.registry import MODELS
    toy_model()
    model = MODELS.build(dict(type='AVClassifier', num_classes=3, fusion=dict(type=fusion), encoders=dict(
        audio=dict(type='SmallConvNet', in_channels=1), visual=dict(type='SmallConvNet', in_channels=3))))
    assert {name for name, _ in InverseEffectiveness().targets(model)['inverse']} == expected


def test_segments_are_scored_one_by_one():
    class Segments(type(toy_model())):
        def fuse(self, feats):
            return super().fuse(feats).unsqueeze(1).repeat(1, 5, 1)

        def unimodal_logits(self, feats):
            return {m: z.unsqueeze(1).repeat(1, 5, 1) for m, z in super().unimodal_logits(feats).items()}

        def forward(self, inputs, data_samples=None, mode='tensor'):
            feats = self.extract_feat(inputs)
            logits = self.fuse(feats)
            labels = torch.tensor([s.gt_label for s in data_samples]).unsqueeze(1).repeat(1, 5)
            losses = dict(loss_cls=torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))
            return self.finish_step(feats, logits, labels, losses, data_samples)

    ours, plain = Segments(num_classes=4, width=6, dropout=0.0), toy_model()
    ours.load_state_dict(plain.state_dict())
    train_all(ours.train(), [toy_batch()], hook())
    train_all(plain, [toy_batch()], hook())
    assert_same(weights(ours), weights(plain), atol=1e-6, rtol=1e-5)
