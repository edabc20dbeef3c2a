"""Cross-entropy with class indices or with target distributions."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.registry import LOSSES


@LOSSES.register_module()
class CrossEntropyLoss(nn.Module):
    r"""Cross-entropy :math:`L = -\frac{w}{B} \sum_i \sum_c t_{ic} \log p_{ic}` with :math:`p = softmax(z)`.

    Hard targets are class indices; soft ones are distributions over the classes, such as `mixup
    <https://arxiv.org/abs/1710.09412>`_ (equation 1) makes them.

    Args:
        loss_weight: Factor w of the loss.
        class_weight: Weights of the classes, C numbers; with class indices the mean is then weighted, as in torch.
    """

    def __init__(self, loss_weight: float = 1.0, class_weight: list[float] | None = None):
        super().__init__()
        self.loss_weight = loss_weight
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            logits: ``(B, C)``.
            target: Class indices ``(B,)``, int64, or distributions ``(B, C)``, float.
        """
        return self.loss_weight * F.cross_entropy(logits, target, weight=self.class_weight)
