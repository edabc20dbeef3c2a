"""Fusion in which one modality scales and shifts the features of the other."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS


@MODELS.register_module()
class FiLMFusion(Fusion):
    r"""Feature-wise linear modulation of one modality by the other.

    .. math:: [\gamma, \beta] = f_c W^T + b, \qquad z = h(\gamma \odot f_o + \beta)

    with the conditioning features :math:`f_c`, the other features :math:`f_o` and a linear classifier h (`FiLM
    <https://arxiv.org/abs/1709.07871>`_, equations 1 and 2; the layout of `OGM-GE
    <https://arxiv.org/abs/2203.15332>`_).

    What a modality says alone is the joint logits with the features of the other at zero: the conditioning modality
    speaks through :math:`\beta`, the other one is modulated by the bias b alone.

    Args:
        in_channels: Widths of the features of two modalities, :math:`D_c` and :math:`D_o`.
        num_classes: Number of classes C.
        condition: Name of the conditioning modality.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If there are not two modalities, or ``condition`` is none of them.
    """

    arity = 2

    def __init__(self, in_channels: dict[str, int], num_classes: int, condition: str = 'audio',
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        self.condition = self.require_modality('condition', condition)
        self.modulated = next(m for m in self.modalities if m != condition)
        width = in_channels[self.modulated]
        self.fc = nn.Linear(in_channels[condition], 2 * width)
        self.fc_out = nn.Linear(width, num_classes)

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        gamma, beta = self.fc(feats[self.condition]).chunk(2, dim=1)
        return self.fc_out(gamma * feats[self.modulated] + beta)
