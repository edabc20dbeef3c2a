from __future__ import annotations

import math

import pytest
import torch

from avmm.balancing import prototype_coefficient, prototype_inverse_loss


def test_the_coefficient_falls_with_the_evidence_of_the_modalities():
    assert float(prototype_coefficient(torch.tensor([1.0, 2.0, 1.5]))) == pytest.approx(
        1 + math.tanh(1) - math.tanh(2))
    assert float(prototype_coefficient(torch.tensor([0.0, 0.0, 1.0]))) == pytest.approx(1 + math.tanh(1))
    assert torch.isfinite(prototype_coefficient(torch.zeros(3)))


def test_the_loss_follows_the_samples_one_by_one():
    torch.manual_seed(0)
    audio, visual, joint = (torch.randn(20, 5).mul(2).softmax(1) for _ in range(3))
    labels, rho = torch.randint(5, (20, )), 0.7
    threshold, total = 0.5 / 4 * math.ceil(2.0), 0.0
    for a, v, z, y in zip(audio, visual, joint, labels, strict=True):
        hard = [float(p.sort().values[-1] - p.sort().values[-2]) <= threshold for p in (a, v)]
        state = 1 if all(hard) else 0 if any(hard) else -1
        logits = state * rho * z * float(z.argmax() == y)
        total -= float(logits.log_softmax(0)[y])
    loss = prototype_inverse_loss(dict(audio=audio, visual=visual), joint, labels, rho)
    assert float(loss) == pytest.approx(total / 20, rel=1e-5)
