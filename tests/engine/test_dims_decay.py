from __future__ import annotations

import pytest
import torch
from torch import nn

from avmm.registry import OPTIM_WRAPPER_CONSTRUCTORS
from avmm.utils import ConfigError


def build(model, **paramwise):
    return OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type='DimsDecayConstructor', paramwise_cfg=paramwise,
        optim_wrapper_cfg=dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.5))))(model).optimizer


def network():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    net[3].bias.requires_grad_(False)
    return net


def test_matrices_and_kernels_decay_and_nothing_else():
    model = network()
    groups = build(model).param_groups
    assert len(groups) == 2
    decayed = {id(p) for group in groups if group['weight_decay'] for p in group['params']}
    assert decayed == {id(model[0].weight), id(model[3].weight)}
    free = {id(p) for group in groups if not group['weight_decay'] for p in group['params']}
    assert free == {id(model[0].bias), id(model[1].weight), id(model[1].bias)}


def test_a_step_without_gradient_shrinks_matrices_alone():
    model = network()
    optimizer = build(model)
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old * (0.95 if new.ndim >= 2 else 1))


def test_the_number_of_dimensions_is_an_option_and_others_are_kept():
    model = network()
    groups = build(model, decay_dims=4, custom_keys={'0': dict(lr_mult=0.1)}).param_groups
    by_parameter = {id(p): group for group in groups for p in group['params']}
    assert by_parameter[id(model[0].weight)]['weight_decay'] == 0.5
    assert by_parameter[id(model[0].weight)]['lr'] == pytest.approx(0.01)
    assert by_parameter[id(model[3].weight)]['weight_decay'] == 0


def test_impossible_dimensions_are_refused():
    with pytest.raises(ConfigError, match='decay_dims is 0'):
        build(network(), decay_dims=0)
