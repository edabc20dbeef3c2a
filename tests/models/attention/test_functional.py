"""Linear layers with what follows them, against the same operations of torch."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from avmm.models.attention.functional import (
    dropout,
    keep_mask,
    linear_dropout_add,
    linear_relu,
    linear_relu_mean,
    split_linear,
)


@pytest.fixture
def layer() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    shapes = dict(x=(4, 5, 6), weight=(7, 6), bias=(7, ))
    return {name: torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_()
            for name, shape in shapes.items()}


def parts_in_one(x, weight, bias):
    """Weighted parts of ``x W^T``, of which the bias takes the place of a third factor."""
    first, second = split_linear(x, torch.cat([weight, 2 * weight]), 2)
    return first * second + bias


PAIRS = [(parts_in_one, lambda x, weight, bias: 2 * F.linear(x, weight) ** 2 + bias),
         (linear_relu, lambda x, weight, bias: F.relu(F.linear(x, weight, bias))),
         (linear_relu_mean, lambda x, weight, bias: F.relu(F.linear(x, weight, bias)).mean(1))]


@pytest.mark.parametrize(('ours', 'plain'), PAIRS)
def test_values_and_gradients_are_those_of_torch(ours, plain, layer):
    out, expected = ours(**layer), plain(**layer)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    weight = torch.randn_like(out)
    grads = torch.autograd.grad((out * weight).sum(), list(layer.values()))
    wanted = torch.autograd.grad((expected * weight).sum(), list(layer.values()))
    for got, want in zip(grads, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(('ours', 'plain'), PAIRS)
def test_only_gradients_that_are_needed(ours, plain, layer):
    out = ours(layer['x'].detach(), layer['weight'], layer['bias'].detach())
    assert torch.autograd.grad(out.sum(), layer['weight'])[0].abs().sum() > 0
    with torch.no_grad():
        assert not ours(**layer).requires_grad


@pytest.mark.parametrize(('ours', 'plain'), PAIRS[1:])
def test_autocast_chooses_the_type(ours, plain, layer):
    single = {name: value.float() for name, value in layer.items()}
    with torch.autocast('cpu', torch.bfloat16):
        out = ours(**single)
        assert out.dtype == plain(**single).dtype == torch.bfloat16
        out.sum().backward()
    assert layer['x'].grad.isfinite().all()
    with torch.autocast('cpu', torch.bfloat16):
        assert split_linear(single['x'], single['weight'], 7)[0].dtype == torch.bfloat16


def test_dropped_elements_carry_no_gradient_and_the_rest_is_scaled(layer):
    torch.manual_seed(1)
    x = layer['x'].repeat(50, 1, 1)
    plain = linear_relu(x, layer['weight'], layer['bias'])
    out = linear_relu(x, layer['weight'], layer['bias'], dropout=0.25)
    kept = out > 0
    torch.testing.assert_close(out[kept], plain[kept] / 0.75)
    assert (kept.sum() / (plain > 0).sum()).item() == pytest.approx(0.75, abs=0.02)
    grads = torch.autograd.grad(out.sum(), list(layer.values()))
    wanted = torch.autograd.grad((plain * kept / 0.75).sum(), list(layer.values()))
    for got, want in zip(grads, wanted, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize('p', [0.0, 0.3])
def test_a_residual_and_what_is_dropped_from_the_rest(p):
    torch.manual_seed(0)
    # Large enough for memory that is used again: two graphs at a time must not share it.
    leaves = [torch.randn(shape, requires_grad=True) for shape in ((2, 500, 60), (2, 500, 70), (70, 60), (70, ))]
    x, residual, weight, bias = leaves
    outs = [linear_dropout_add(x, residual, weight, bias, p) for _ in range(2)]
    plain = F.linear(x, weight, bias)
    masks = [((out - residual) / plain).detach().round(decimals=2) for out in outs]
    assert all(mask.eq(0).float().mean().item() == pytest.approx(p, abs=0.01) for mask in masks)
    assert masks[0].equal(masks[1]) == (p == 0)
    for out, mask in zip(outs, masks, strict=True):
        wanted = residual + plain * mask.gt(0) / (1 - p)
        torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-4)
        factor = torch.randn_like(out)
        grads, plain_grads = (torch.autograd.grad((y * factor).sum(), leaves, retain_graph=True)
                              for y in (out, wanted))
        for got, want in zip(grads, plain_grads, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)


def test_large_parts_outlive_those_of_the_next_product():
    x, weight = torch.randn(700, 50), torch.randn(360, 50)
    first = split_linear(x, weight, 3)
    split_linear(2 * x, weight, 3)
    second = split_linear(3 * x, weight, 3)
    torch.testing.assert_close(torch.cat(first, 1), x @ weight.t())
    torch.testing.assert_close(torch.cat(second, 1), 3 * torch.cat(first, 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('p', [0.1, 0.2, 0.5, 0.9])
def test_share_of_dropped_elements(p):
    torch.manual_seed(0)
    x = torch.ones(1001, 201)
    assert (~keep_mask(x, p)).float().mean().item() == pytest.approx(p, abs=0.004)
    out = dropout(x, p)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4)


def test_dropout_at_its_ends():
    x = torch.rand(4, 5) + 1
    assert dropout(x, 0.0) is x
    assert not dropout(x, 1.0).any()


def test_the_seed_decides_what_is_dropped():
    x = torch.ones(64, 64)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.5)) and not torch.equal(first, second)
    assert (first != second).float().mean().item() == pytest.approx(0.5, abs=0.05)
