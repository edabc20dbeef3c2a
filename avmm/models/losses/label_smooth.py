"""Cross-entropy with smoothed labels."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from avmm.registry import LOSSES
from avmm.utils import ConfigError


@LOSSES.register_module()
class LabelSmoothLoss(nn.Module):
    r"""Cross-entropy against a mixture of the target and the uniform distribution.

    .. math:: L = -\frac{w}{B} \sum_i [ (1 - \epsilon) \log p_{i y_i} + \frac{\epsilon}{C} \sum_c \log p_{ic} ]

    (`Inception-v3 <https://arxiv.org/abs/1512.00567>`_, section 7). Soft targets are mixed with the uniform
    distribution in the same way.

    Args:
        eps: Share of the uniform distribution, in [0, 1].
        loss_weight: Factor w of the loss.

    Raises:
        ConfigError: If ``eps`` is no share.
    """

    def __init__(self, eps: float = 0.1, loss_weight: float = 1.0):
        super().__init__()
        if not 0 <= eps <= 1:
            raise ConfigError(f'LabelSmoothLoss: eps={eps} must lie between 0 and 1; 0.1 is usual')
        self.eps = eps
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of logits ``(B, C)`` and class indices ``(B,)`` or distributions ``(B, C)``."""
        return self.loss_weight * F.cross_entropy(logits, target, label_smoothing=self.eps)
