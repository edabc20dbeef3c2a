"""The sum of the losses, as mmengine forms it."""
from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel

from avmm.testing import ToyAVModel


def test_parse_losses_is_mmengines():
    model = ToyAVModel()
    losses = dict(loss_a=torch.tensor(0.5, requires_grad=True), aux_loss=torch.rand(3), accuracy=torch.tensor(9.0),
                  loss_list=[torch.rand(2), torch.tensor(0.25)])
    total, log_vars = model.parse_losses(losses)
    expected, theirs = BaseModel.parse_losses(model, losses)
    torch.testing.assert_close(total, expected)
    assert list(log_vars) == list(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(log_vars[name], value)
    assert total.requires_grad


def test_losses_without_a_loss_are_named():
    with pytest.raises(ValueError, match='no term of the losses has "loss" in its name: accuracy'):
        ToyAVModel().parse_losses(dict(accuracy=torch.tensor(1.0)))
