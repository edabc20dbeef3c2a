"""Focal loss."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.losses.targets import as_scores
from avmm.registry import LOSSES


@LOSSES.register_module()
class FocalLoss(nn.Module):
    r"""Cross-entropy that counts well-classified samples less (`focal loss
    <https://arxiv.org/abs/1708.02002>`_).

    With ``multi_label=True``, equation 5 of the paper for each class, with :math:`p = \sigma(z)`, summed over the
    classes and averaged over the batch:

    .. math:: L = -\frac{w}{B} \sum_{i,c} \alpha_t (1 - p_t)^\gamma \log p_t

    where :math:`p_t` is p for t = 1 and 1 - p otherwise, and :math:`\alpha_t` likewise. With ``multi_label=False``
    (default) the same factor acts on the softmax probability of the true class, without :math:`\alpha`:

    .. math:: L = -\frac{w}{B} \sum_{i,c} t_{ic} (1 - p_{ic})^\gamma \log p_{ic}

    Args:
        gamma: Focusing exponent; 0 gives the plain cross-entropy.
        alpha: Weight of the positive class, for ``multi_label`` only; None for none.
        multi_label: One sigmoid a class instead of a softmax.
        loss_weight: Factor w of the loss.
    """

    def __init__(self, gamma: float = 2.0, alpha: float | None = None, multi_label: bool = False,
                 loss_weight: float = 1.0):
        super().__init__()
        self.gamma, self.alpha, self.multi_label, self.loss_weight = gamma, alpha, multi_label, loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of logits ``(B, C)`` and class indices ``(B,)`` or scores ``(B, C)``."""
        scores = as_scores(target, logits)
        if self.multi_label:
            loss = self._sigmoid_terms(logits, scores)
        else:
            log_p = F.log_softmax(logits, dim=1)
            # Above zero, since the slope of x^gamma is infinite there for gamma below one.
            miss = (-log_p.expm1()).clamp_min(1e-12)
            loss = -scores * miss.pow(self.gamma) * log_p
        return self.loss_weight * loss.sum() / len(logits)

    def _sigmoid_terms(self, logits: Tensor, scores: Tensor) -> Tensor:
        p = logits.sigmoid()
        miss = (scores * (1 - p) + (1 - scores) * p).clamp_min(1e-12)
        terms = miss.pow(self.gamma) * F.binary_cross_entropy_with_logits(logits, scores, reduction='none')
        if self.alpha is not None:
            terms = terms * (self.alpha * scores + (1 - self.alpha) * (1 - scores))
        return terms
