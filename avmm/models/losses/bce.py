"""Binary cross-entropy of each class for itself."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.losses.targets import as_scores
from avmm.registry import LOSSES


@LOSSES.register_module()
class BCELoss(nn.Module):
    r"""Binary cross-entropy with logits, the mean over samples and classes.

    .. math:: L = -\frac{w}{BC} \sum_{i,c} [ t_{ic} \log \sigma(z_{ic}) + (1 - t_{ic}) \log (1 - \sigma(z_{ic})) ]

    The loss of multi-label sets such as AudioSet (as in `AST <https://arxiv.org/abs/2104.01778>`_).

    Args:
        loss_weight: Factor w of the loss.
    """

    #: Targets may hold several classes, so that scores come from a sigmoid.
    multi_label = True

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of logits ``(B, C)`` and scores in [0, 1] ``(B, C)``, or class indices ``(B,)`` (one-hot)."""
        return self.loss_weight * F.binary_cross_entropy_with_logits(logits, as_scores(target, logits))
