"""Contrastive loss of distances."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.registry import LOSSES


@LOSSES.register_module()
class ContrastiveLoss(nn.Module):
    r"""Draws pairs that belong together near, and pushes others apart up to a margin.

    "Dimensionality Reduction by Learning an Invariant Mapping" (CVPR 2006), here without its factor 1/2:

    .. math:: L = w \cdot mean( y d^2 + (1 - y) \max(m - d, 0)^2 )

    Args:
        margin: m, the distance beyond which a pair that does not belong together is left alone.
        loss_weight: Factor w of the loss.
    """

    def __init__(self, margin: float = 2.0, loss_weight: float = 1.0):
        super().__init__()
        self.margin, self.loss_weight = margin, loss_weight

    def forward(self, distance: Tensor, target: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            distance: Distances d of pairs, of any shape.
            target: 1 for pairs that belong together, 0 for others, of the same shape.
        """
        target = target.to(distance.dtype)
        apart = (self.margin - distance).clamp(min=0)
        return self.loss_weight * (target * distance.square() + (1 - target) * apart.square()).mean()
