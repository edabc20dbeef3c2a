"""A balancing method: slow down whichever modality is ahead."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.balancing.base import BalancingHook
from avmm.balancing.scores import label_score
from avmm.models.base import AVModel, Step
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class ExampleProjectBalancing(BalancingHook):
    r"""Scale the gradients of each branch by how far its modality is behind the best one.

    With :math:`s_m` the softmax probability of the label that modality m gives alone, summed over the batch,

    .. math:: k_m = \left( \min_n s_n / s_m \right)^{p}.

    The weakest modality keeps its gradients, every other one is slowed down. The base class sums the scores over
    micro-batches and ranks, and applies and logs the coefficients.

    Args:
        power: The exponent p; 0 changes nothing.
        **kwargs: ``starts``, ``ends``, ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`.

    Raises:
        ConfigError: If ``power`` is negative.
    """

    def __init__(self, power: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if power < 0:
            raise ConfigError(f'{self.name}: power={power} would speed up the modality that is ahead; give 0 or more')
        self.power = power

    def batch_scores(self, model: AVModel, step: Step) -> Tensor:
        """One score for each modality, ``(M,)``."""
        alone = model.unimodal_logits(step.feats)
        return torch.stack([label_score(alone[m], step.labels) for m in model.modalities])

    def coefficients(self, scores: Tensor) -> dict[str, Tensor]:
        """``{modality: ()}``, at most 1."""
        values = (scores.min() / scores) ** self.power
        return dict(zip(self.model.modalities, values, strict=True))
