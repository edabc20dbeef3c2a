"""Linear layers with what follows them, against the same operations of torch."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from avmm.models.attention.functional import dropout, keep_mask, linear_relu, linear_relu_mean


@pytest.fixture
def layer() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    shapes = dict(x=(4, 5, 6), weight=(7, 6), bias=(7, ))
    return {name: torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_()
            for name, shape in shapes.items()}


PAIRS = [(linear_relu, lambda x, weight, bias: F.relu(F.linear(x, weight, bias))),
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


@pytest.mark.parametrize(('ours', 'plain'), PAIRS)
def test_autocast_chooses_the_type(ours, plain, layer):
    single = {name: value.float() for name, value in layer.items()}
    with torch.autocast('cpu', torch.bfloat16):
        out = ours(**single)
        assert out.dtype == plain(**single).dtype == torch.bfloat16
        out.sum().backward()
    assert layer['x'].grad.isfinite().all()


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
