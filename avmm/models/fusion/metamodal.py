"""Fusion in a space that two modalities share, with a discriminator that cannot tell them apart."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.fusion.base import Feats
from avmm.models.fusion.concat import ConcatFusion
from avmm.registry import MODELS


class _ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient has the other sign."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * grad, None


@MODELS.register_module()
class MetamodalFusion(ConcatFusion):
    r"""Map both modalities with one shared layer, concatenate and classify; a discriminator pulls them together.

    .. math:: f'_m = f_m W_s^T + b_s, \quad z = [f'_1; f'_2] W^T + b, \quad d_m = \sigma(R_\lambda(f'_m) w^T + c)

    :math:`R_\lambda` is gradient reversal (`domain adaptation by backpropagation
    <https://arxiv.org/abs/1409.7495>`_, equations 6 to 8): the discriminator learns to tell the first modality
    (target 0) from the second (target 1), the shared layer and the encoders learn to prevent it. The released code
    of the fusion cannot run, since its reversal lacks the factor :math:`\lambda`; here it is 1, as the paper has it at
    the end of its schedule.

    What a modality says alone is :math:`[f'_1; 0] W^T + b` or :math:`[0; f'_2] W^T + b`: the columns of its own and
    the whole bias. As released, these logits carry no gradient.

    Args:
        in_channels: Width D of the features, the same for both modalities.
        num_classes: Number of classes C.
        reversal: Factor :math:`\lambda` of the reversed gradient.
        loss_weight: Factor of the discriminator's binary cross-entropies in :meth:`extra_losses`.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If there are not two modalities, or their widths differ.
    """

    arity = 2

    def __init__(self, in_channels: dict[str, int], num_classes: int, reversal: float = 1.0, loss_weight: float = 1.0,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        width = self.require_equal_widths()
        self.fc_meta = nn.Linear(width, width)
        self.discriminator_fc = nn.Linear(width, 1)
        self.reversal, self.loss_weight = reversal, loss_weight

    def transform(self, feats: Feats) -> Feats:
        """Features in the shared space ``{m: (B, D)}``."""
        return {m: self.fc_meta(f) for m, f in feats.items()}

    def unimodal_logits(self, feats: Feats) -> Feats:
        """``{m: (B, C)}``: the columns of each modality and the whole bias, detached."""
        share = self.fc_out.bias * (1 - 1 / len(self.modalities))
        return {m: (z + share).detach() for m, z in super().unimodal_logits(feats).items()}

    def discriminate(self, feats: Feats) -> Feats:
        """``{m: (B,)}``: the probability that features ``{m: (B, D)}`` belong to the second modality."""
        return {m: z.sigmoid() for m, z in self._discriminator_logits(feats).items()}

    def extra_losses(self, feats: Feats) -> Feats:
        """``{'loss_discriminator_m': ()}``: binary cross-entropy of the discriminator on each modality."""
        return {f'loss_discriminator_{m}': self.loss_weight * F.binary_cross_entropy_with_logits(
                    z, torch.full_like(z, self.modalities.index(m)))
                for m, z in self._discriminator_logits(feats).items()}

    def _discriminator_logits(self, feats: Feats) -> Feats:
        shared = self.transform({m: feats[m] for m in self.modalities if m in feats})
        return {m: self.discriminator_fc(_ReverseGradient.apply(f, self.reversal)).squeeze(1)
                for m, f in shared.items()}
