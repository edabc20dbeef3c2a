"""On-the-fly gradient modulation."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.balancing.base import BalancingHook
from avmm.balancing.scores import label_score
from avmm.models.base import AVModel, Step
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class OGM(BalancingHook):
    """Slow the modality that is ahead, by scaling the gradients of its branch.

    "Balanced Multimodal Learning via On-the-fly Gradient Modulation" (CVPR 2022): the discrepancy ratio ``rho``
    and the coefficient ``k`` of its section on gradient modulation. With the unimodal logits ``z_m`` as the fusion of
    the model defines them::

        s_m   = sum_i softmax(z_m)_{i, y_i}
        rho_v = s_v / s_a        rho_a = s_a / s_v
        k_m   = 1 - tanh(alpha * rho_m)   for the modality that is ahead (rho_m > 1)
        k_m   = 1                         for the other
        g     = k_m * g                   for the weights of the convolutions of branch m

    At a tie the first modality counts as the one ahead, as in the published code. With three modalities or more
    ``rho_m`` compares ``s_m`` with the mean of the others, each modality with ``rho_m > 1`` is scaled, and none at a
    tie.

    Weight decay, momentum and whatever else the optimiser does come after the modulation.

    Args:
        alpha: Strength of the modulation; the papers use 0.1 to 0.8, by data set.
        starts: First epoch with modulation, counted from 0.
        ends: Last epoch with modulation, itself included; 50 as published, None for all.
        **options: ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`. The published rule
            ``params=dict(dims=(4,))`` leaves normalisation layers, biases and linear layers alone; encoders without
            2-D convolutions need another, such as ``params=dict(dims=(2, 3, 4, 5))``.

    Example:
        >>> custom_hooks = [dict(type='OGM', alpha=0.8, ends=50)]
    """

    default_params = {'dims': (4,), 'pattern': None}

    def __init__(self, alpha: float = 0.8, starts: int = 0, ends: int | None = 50, **options):
        super().__init__(starts, ends, **options)
        if alpha < 0:
            raise ConfigError(f'{self.name}.alpha is {alpha}; it must be 0 or more')
        self.alpha = alpha

    def batch_scores(self, model: AVModel, step: Step) -> Tensor:
        """``s_m`` of each modality ``(M,)``, in the order of ``model.modalities``."""
        logits = model.unimodal_logits(step.feats)
        return torch.stack([label_score(logits[m], step.labels) for m in model.modalities])

    def coefficients(self, scores: Tensor) -> dict[str, Tensor]:
        """``{modality: k_m}`` from the scores ``(M,)`` of the whole batch."""
        return dict(zip(self._targets, modulation(scores, self.alpha).unbind(), strict=True))


def modulation(scores: Tensor, alpha: float) -> Tensor:
    """Coefficients ``(M,)`` of OGM from the scores ``(M,)``; see :class:`OGM`."""
    # All scores zero, which only underflow can bring about, then reads as a tie.
    scores = scores.clamp_min(torch.finfo(scores.dtype).tiny)
    if len(scores) == 2:
        rho = scores / scores.flip(0)
        second_ahead = rho[1] > 1
        ahead = torch.stack([~second_ahead, second_ahead])
    else:
        rho = scores * (len(scores) - 1) / (scores.sum() - scores)
        ahead = rho > 1
    return torch.where(ahead, 1 - torch.tanh(alpha * rho), torch.ones_like(rho))
