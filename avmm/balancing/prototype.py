"""Two functions of the prototype of inverse-effectiveness fusion, kept for comparison; no method here uses them."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def prototype_coefficient(scores: Tensor) -> Tensor:
    """``1 + tanh(1) - tanh(relu(sum_m(s_m) / s))``, a scalar.

    Args:
        scores: ``(M + 1,)``, :func:`~avmm.balancing.label_score` of each modality, then that of the joint logits.
    """
    scores = scores.clamp_min(torch.finfo(scores.dtype).tiny)
    return 1 + math.tanh(1) - torch.tanh(F.relu(scores[:-1].sum() / scores[-1]))


def prototype_inverse_loss(unimodal: dict[str, Tensor], joint: Tensor, labels: Tensor, rho: float) -> Tensor:
    """Cross-entropy that rewards a right joint answer where all modalities find a sample hard.

    A modality finds a sample hard if its two best probabilities differ by no more than
    ``0.5 / (C - 1) * ceil(0.5 (C - 1))``. With the state +1 where all find it hard, -1 where none does, and 0 else,
    the logits of the cross-entropy are ``state * rho * joint`` where the joint answer is right, and 0 elsewhere.

    Args:
        unimodal: ``{m: (B, C)}``, probabilities.
        joint: ``(B, C)``, probabilities.
        labels: Class indices ``(B,)``.
        rho: Factor of the logits.

    Returns:
        Scalar loss.
    """
    classes = joint.shape[1]
    threshold = 0.5 / (classes - 1) * math.ceil(0.5 * (classes - 1))
    hard = torch.stack([-p.topk(2, dim=1).values.diff(dim=1).squeeze(1) <= threshold for p in unimodal.values()])
    state = hard.all(0).to(joint.dtype) - (~hard).all(0).to(joint.dtype)
    right = joint.argmax(1) == labels
    return F.cross_entropy((state * right * rho).unsqueeze(1) * joint, labels)
