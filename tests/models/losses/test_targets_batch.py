"""Targets of a batch."""
from __future__ import annotations

from types import SimpleNamespace

import torch

from avmm.models.losses.targets import batch_targets


def test_a_batch_that_has_its_targets_in_one_tensor_is_not_walked_through():
    samples = SimpleNamespace(target=torch.rand(3, 4))
    assert batch_targets(samples, 4, False, torch.device('cpu')) is samples.target
