from __future__ import annotations

import pytest
import torch

from avmm.balancing import BalancingHook
from avmm.engine.optimizers.mslr_constructor import MSLRConstructor, join_groups
from avmm.registry import OPTIM_WRAPPER_CONSTRUCTORS
from avmm.utils import ConfigError
from tests.balancing.balance_cases import assert_same, toy_batch, toy_model, train, weights

FACTORS = dict(audio=0.25, visual=1.5)


def build(model, lr_mult=None, optimizer=None, **paramwise):
    optimizer = optimizer or dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type='MSLRConstructor', optim_wrapper_cfg=dict(optimizer=optimizer),
        paramwise_cfg=dict(lr_mult=lr_mult or FACTORS, **paramwise)))
    return constructor(model).optimizer


class GradientScaling(BalancingHook):
    """MSLR as a scaled gradient of every parameter of a branch."""

    def coefficients(self, scores):
        return {m: torch.tensor(factor) for m, factor in FACTORS.items()}


def scaled(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)
    train(model, batches, GradientScaling(), optimizer)
    return weights(model)


def test_rates_equal_scaled_gradients_if_the_decay_is_kept():
    batches = [toy_batch(8, seed) for seed in range(5)]
    expected = scaled(toy_model(batch_norm=True), batches)
    model = toy_model(batch_norm=True)
    train(model, batches, optimizer=build(model, keep_decay=True))
    assert_same(weights(model), expected, rtol=1e-4, atol=1e-6)


def test_rates_differ_from_scaled_gradients_if_it_is_not():
    batches = [toy_batch(8, seed) for seed in range(5)]
    expected = scaled(toy_model(), batches)
    model = toy_model()
    train(model, batches, optimizer=build(model))
    name = 'encoders.audio.conv.weight'
    assert not torch.allclose(weights(model)[name], expected[name], rtol=1e-4, atol=1e-6)


def test_every_parameter_has_its_rate_in_as_few_groups_as_there_are_rates():
    model = toy_model(batch_norm=True)
    groups = build(model, keep_decay=True).param_groups
    found = {id(p): (g['lr'], g['weight_decay']) for g in groups for p in g['params']}
    for name, p in model.named_parameters():
        factor = next((f for m, f in FACTORS.items() if m in name), 1)
        assert found[id(p)] == pytest.approx((0.1 * factor, 1e-2 / factor))
    assert len(groups) == 3


def test_other_options_are_applied_first():
    model = toy_model(batch_norm=True)
    groups = build(model, norm_decay_mult=0.0).param_groups
    found = {id(p): (g['lr'], g['weight_decay']) for g in groups for p in g['params']}
    assert found[id(model.encoders['audio'].norm.weight)] == pytest.approx((0.025, 0.0))
    assert found[id(model.encoders['audio'].conv.weight)] == pytest.approx((0.025, 1e-2))


def test_an_optimiser_without_decay():
    model = toy_model()
    optimizer = build(model, optimizer=dict(type='Adam', lr=1e-3), keep_decay=True)
    assert sorted(g['lr'] for g in optimizer.param_groups) == pytest.approx([2.5e-4, 1e-3, 1.5e-3])
    assert {g['weight_decay'] for g in optimizer.param_groups} == {0}


def test_join_groups_keeps_what_differs():
    joined = join_groups([dict(params=[1], lr=1), dict(params=[2], lr=2), dict(params=[3], lr=1)])
    assert joined == [dict(params=[1, 3], lr=1), dict(params=[2], lr=2)]


@pytest.mark.parametrize(('paramwise', 'message'), [
    (dict(), r'MSLRConstructor needs factors, as in paramwise_cfg='),
    (dict(lr_mult=dict(audio=-1)), r"lr_mult of 'audio' is -1; it must be 0 or more"),
    (dict(lr_mult=dict(audio=0), keep_decay=True), r"lr_mult of 'audio' is 0; it must be more than 0 with keep_decay"),
    (dict(lr_mult=dict(sound=2)), r"lr_mult names \['sound'\], ToyAVModel has the modalities \['audio', 'visual'\]"),
])
def test_impossible_factors_are_refused(paramwise, message):
    with pytest.raises(ConfigError, match=message):
        MSLRConstructor(dict(optimizer=dict(type='SGD', lr=0.1)), paramwise)(toy_model())


def test_a_missing_rate_is_refused():
    with pytest.raises(ConfigError, match='MSLRConstructor needs the learning rate of the optimiser'):
        MSLRConstructor(dict(optimizer=dict(type='Adam')), dict(lr_mult=FACTORS))(toy_model())
