"""Fusion by adding the logits of one linear layer a modality."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.fusion.base import Feats, Fusion
from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class SumFusion(Fusion):
    r"""A classifier of its own for each modality, their logits added: :math:`z = \sum_m (f_m W_m^T + b_m)`.

    A modality alone says :math:`z_m = f_m W_m^T + b_m`, as in the training of `OGM-GE
    <https://arxiv.org/abs/2203.15332>`_ with this fusion. Its published validation uses :math:`b_m / 2` instead;
    ``eval_bias='half'`` reproduces those unimodal accuracies. The joint logits are the same either way.

    Args:
        in_channels: Width of the features of each modality.
        num_classes: Number of classes C.
        eval_bias: ``'full'`` or ``'half'``: the share of the bias in the unimodal logits in evaluation.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If ``eval_bias`` is neither.
    """

    def __init__(self, in_channels: dict[str, int], num_classes: int, eval_bias: str = 'full',
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        if eval_bias not in ('full', 'half'):
            raise ConfigError(f"SumFusion: eval_bias={eval_bias!r} is unknown; use 'full' or 'half'")
        self.eval_bias = eval_bias
        self.fc = nn.ModuleDict({m: nn.Linear(width, num_classes) for m, width in in_channels.items()})

    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        return sum(self.fc[m](feats[m]) for m in self.modalities)

    def unimodal_logits(self, feats: Feats) -> Feats:
        """``{m: f_m W_m^T + b_m}``, each ``(B, C)``; in evaluation with ``eval_bias='half'``, half the bias."""
        seen = {m: feats[m] for m in self.modalities if m in feats}
        halve = self.eval_bias == 'half' and not self.training
        return {m: self.fc[m](f) - (self.fc[m].bias / 2 if halve else 0) for m, f in seen.items()}
