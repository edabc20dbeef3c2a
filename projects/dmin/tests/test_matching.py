"""The matching step against the loops that it stands for."""
from __future__ import annotations

import pytest
import torch

from projects.dmin.dmin import AccumulatingMatching, WindowMeanMatching
from projects.dmin.dmin.matching import product

MARKS = torch.tensor([[0, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]]) > 0


def loops(query, target, marks):
    """Sample by sample, window by window, in place."""
    rows = []
    for q, t, m in zip(query, target, marks, strict=True):
        means, row = q[m].mean(-1, keepdim=True), t
        for k in range(len(t) - len(means) + 1 if len(means) else 0):
            factor = torch.ones(len(t), 1, dtype=t.dtype)
            factor[k:k + len(means)] = means
            row = row * factor
        rows.append(row)
    return torch.stack(rows)


def pair():
    torch.manual_seed(0)
    return [torch.randn(5, 5, 3).double().requires_grad_() for _ in range(2)]


def test_products_accumulate_as_in_the_loops():
    query, target = pair()
    results = [form(query, target, MARKS) for form in (AccumulatingMatching(), loops)]
    torch.testing.assert_close(*results)
    grads = [torch.autograd.grad(r.square().sum(), (query, target)) for r in results]
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_video_without_event_stays_as_it_is():
    query, target = pair()
    for form in (AccumulatingMatching(), WindowMeanMatching()):
        torch.testing.assert_close(form(query, target, MARKS)[3], target[3])


def test_full_event_weighs_each_segment_with_its_own_mean():
    query, target = pair()
    expected = target[1] * query[1].mean(-1, keepdim=True)
    for form in (AccumulatingMatching(), WindowMeanMatching()):
        torch.testing.assert_close(form(query, target, MARKS)[1], expected)


def test_mean_of_windows_does_not_accumulate():
    query, target = torch.full((1, 4, 3), 2.0), torch.ones(1, 4, 3)
    marks = torch.tensor([[True, True, False, False]])
    assert WindowMeanMatching()(query, target, marks)[0, :, 0].tolist() == [2, 2, 2, 2]
    assert AccumulatingMatching()(query, target, marks)[0, :, 0].tolist() == [2, 4, 4, 2]


@pytest.mark.parametrize('size', [1, 2, 5, 8])
def test_product_and_its_gradient_at_zeros(size):
    factors = torch.rand(3, size).double()
    factors[1, 0] = 0
    factors.requires_grad_()
    product(factors).sum().backward()
    torch.testing.assert_close(product(factors), factors.prod(-1))
    others = [[row[:i].prod() * row[i + 1:].prod() for i in range(size)] for row in factors.detach()]
    torch.testing.assert_close(factors.grad, torch.tensor(others, dtype=torch.float64))
