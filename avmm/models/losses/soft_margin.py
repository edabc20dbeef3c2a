"""Multi-label soft-margin loss on probabilities."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.losses.targets import as_scores
from avmm.registry import LOSSES


@LOSSES.register_module()
class SoftMarginLoss(nn.Module):
    r"""Multi-label soft margin between probabilities P and targets y, the mean over all elements.

    Event localisers on AVE (`AVE-ECCV18 <https://arxiv.org/abs/1803.08842>`_, CMRAN, DMIN) end in a softmax and hand
    its output to a loss that squashes it once more:

    .. math:: L = -\frac{w}{BC} \sum_{i,c} [ y_{ic} \log \sigma(P_{ic}) + (1 - y_{ic}) \log (1 - \sigma(P_{ic})) ]

    As P lies in [0, 1], L stays within a narrow band: with 29 classes no prediction, however right, brings it below
    :math:`(\log(1 + e^{-1}) + 28 \log 2) / 29 = 0.68005`, and gradients are small. ``squash=False`` takes P for what
    it is, a probability:

    .. math:: L = -\frac{w}{BC} \sum_{i,c} [ y_{ic} \log P_{ic} + (1 - y_{ic}) \log (1 - P_{ic}) ]

    Args:
        squash: Squash the probabilities once more, as published.
        loss_weight: Factor w of the loss.
    """

    def __init__(self, squash: bool = True, loss_weight: float = 1.0):
        super().__init__()
        self.squash, self.loss_weight = squash, loss_weight

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            scores: Probabilities ``(B, C)`` or, of segments, ``(B, S, C)``.
            target: Class indices ``(B,)`` or ``(B, S)``, or targets in [0, 1] of the shape of ``scores``.
        """
        target = as_scores(target, scores)
        if self.squash:
            return self.loss_weight * F.binary_cross_entropy_with_logits(scores, target)
        # Away from 0 and 1, where the logarithm has no slope to follow.
        eps = torch.finfo(scores.dtype).eps
        scores = scores.clamp(eps, 1 - eps)
        return -self.loss_weight * (target * scores.log() + (1 - target) * (-scores).log1p()).mean()
