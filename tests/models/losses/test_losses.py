"""Every registered loss, against torch and against its equation."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from avmm.registry import LOSSES
from avmm.utils import ConfigError

BATCH, CLASSES = 6, 5
LOSSES.import_from_location()
NAMES = sorted(name for name, cls in LOSSES.module_dict.items() if cls.__module__.startswith('avmm.models.losses'))


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(BATCH, CLASSES, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def label() -> torch.Tensor:
    return torch.arange(BATCH) % CLASSES


def _build(name: str, **options):
    return LOSSES.build(dict(type=name, **options))


def test_the_known_losses_are_registered():
    assert {'BCELoss', 'CrossEntropyLoss', 'FocalLoss', 'LabelSmoothLoss'} <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_forward_and_backward(name, logits, label):
    loss = _build(name)(logits, label)
    loss.backward()
    assert loss.shape == () and loss > 0
    assert logits.grad.isfinite().all() and logits.grad.abs().sum() > 0


@pytest.mark.parametrize('name', NAMES)
def test_a_hard_target_is_its_one_hot_row(name, logits, label):
    loss = _build(name)
    torch.testing.assert_close(loss(logits, F.one_hot(label, CLASSES).float()), loss(logits, label))


@pytest.mark.parametrize('name', NAMES)
def test_loss_weight(name, logits, label):
    torch.testing.assert_close(_build(name, loss_weight=0.25)(logits, label), 0.25 * _build(name)(logits, label))


@pytest.mark.parametrize('name', NAMES)
def test_no_state_in_a_checkpoint(name):
    assert not _build(name).state_dict()


@pytest.mark.parametrize('name', NAMES)
def test_large_logits_stay_finite(name):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = _build(name)(logits, torch.tensor([1]))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_cross_entropy(logits, label):
    torch.testing.assert_close(_build('CrossEntropyLoss')(logits, label), F.cross_entropy(logits, label))
    soft = torch.rand(BATCH, CLASSES).softmax(1)
    expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(_build('CrossEntropyLoss')(logits, soft), expected)


def test_cross_entropy_with_class_weights(logits, label):
    weights = [1.0, 2.0, 0.5, 1.0, 3.0]
    loss = _build('CrossEntropyLoss', class_weight=weights)
    torch.testing.assert_close(loss(logits, label), F.cross_entropy(logits, label, weight=torch.tensor(weights)))


@pytest.mark.parametrize('eps', [0.0, 0.1, 1.0])
def test_label_smoothing_is_its_equation(eps, logits, label):
    log_p = logits.log_softmax(1)
    true = log_p.gather(1, label[:, None]).squeeze(1)
    expected = -((1 - eps) * true + eps * log_p.mean(1)).mean()
    torch.testing.assert_close(_build('LabelSmoothLoss', eps=eps)(logits, label), expected)


def test_label_smoothing_refuses_more_than_one():
    with pytest.raises(ConfigError, match='eps=1.5 must lie between 0 and 1'):
        _build('LabelSmoothLoss', eps=1.5)


def test_bce(logits):
    target = (torch.rand(BATCH, CLASSES) > 0.5).float()
    torch.testing.assert_close(_build('BCELoss')(logits, target),
                               F.binary_cross_entropy(logits.sigmoid(), target))
    assert _build('BCELoss').multi_label


@pytest.mark.parametrize('gamma', [0.5, 2.0])
def test_focal_is_its_equation(gamma, logits, label):
    p = logits.softmax(1).gather(1, label[:, None]).squeeze(1)
    expected = -((1 - p) ** gamma * p.log()).mean()
    torch.testing.assert_close(_build('FocalLoss', gamma=gamma)(logits, label), expected)


def test_focal_without_focus_is_cross_entropy(logits, label):
    torch.testing.assert_close(_build('FocalLoss', gamma=0)(logits, label), F.cross_entropy(logits, label))


def test_focal_of_several_classes_is_equation_5(logits):
    target = (torch.rand(BATCH, CLASSES) > 0.5).float()
    p = logits.sigmoid()
    p_t = torch.where(target > 0, p, 1 - p)
    alpha_t = torch.where(target > 0, torch.tensor(0.25), torch.tensor(0.75))
    expected = -(alpha_t * (1 - p_t) ** 2 * p_t.log()).sum() / BATCH
    loss = _build('FocalLoss', alpha=0.25, multi_label=True)
    torch.testing.assert_close(loss(logits, target), expected)
    assert loss.multi_label and not _build('FocalLoss').multi_label


def test_focal_gradient_of_a_certain_sample_is_finite():
    logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
    _build('FocalLoss', gamma=0.5)(logits, torch.tensor([0])).backward()
    assert logits.grad.isfinite().all()
