"""The soft-margin loss on probabilities."""
from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from avmm.models import SoftMarginLoss


@pytest.mark.parametrize('shape', [(4, 29), (2, 3, 29)])
def test_squashes_probabilities_once_more(shape):
    scores = torch.rand(shape).softmax(-1)
    target = torch.randint(0, 29, shape[:-1])
    one_hot = F.one_hot(target, 29).float()
    loss = SoftMarginLoss(loss_weight=2.0)(scores, target)
    torch.testing.assert_close(loss, 2 * F.multilabel_soft_margin_loss(scores, one_hot))
    torch.testing.assert_close(loss, SoftMarginLoss(loss_weight=2.0)(scores, one_hot))


def test_cannot_fall_below_its_bound():
    perfect = torch.eye(29)
    bound = (math.log(1 + math.exp(-1)) + 28 * math.log(2)) / 29
    assert SoftMarginLoss()(perfect, torch.arange(29)).item() == pytest.approx(bound)
    assert bound == pytest.approx(0.680048, abs=5e-7)


def test_without_squashing_a_right_answer_costs_nothing():
    perfect = torch.eye(5, requires_grad=True)
    loss = SoftMarginLoss(squash=False)
    value = loss(perfect, torch.arange(5))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-5) and perfect.grad.isfinite().all()
    scores = torch.rand(4, 5).softmax(-1)
    target = F.one_hot(torch.tensor([0, 1, 2, 3]), 5).float()
    torch.testing.assert_close(loss(scores, target), F.binary_cross_entropy(scores, target))
