"""Inverse effectiveness: the fusion learns most where single modalities say least."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from avmm.balancing.noisy import NoisyBalancingHook
from avmm.balancing.parameters import NamedParameters, select_parameters
from avmm.balancing.scores import label_score
from avmm.balancing.unimodal_loss import unimodal_losses
from avmm.models.base import AVModel, Step
from avmm.registry import HOOKS, LOSSES
from avmm.utils import ConfigError


@HOOKS.register_module()
class InverseEffectiveness(NoisyBalancingHook):
    r"""Scale the gradients of the fusion by how little the modalities say alone, compared with the fused answer.

    Neurons that join two senses answer a pair of weak stimuli most strongly, relative to each alone ("inverse
    effectiveness"). The mechanism of inverse-effectiveness driven multimodal fusion, in the form of its released
    code, with the logits of the heads ``z_m`` and the joint logits ``z``::

        s_m = sum_i softmax(z_m)[i, y_i]        s = sum_i softmax(z)[i, y_i]
        r   = mean_m(s_m) / s
        xi  = gamma * (1 + tanh(1 - r))
        g  <- xi * g + n,   n ~ N(0, (std(g) + 1e-8)^2)       for the parameters of the fusion

    so weak evidence of the modalities (r < 1) makes ``xi > gamma``, at most ``1.762 gamma``. Without heads, ``z_m`` is
    what the fusion attributes to each modality.

    It is combined with the methods that edit the branches, such as ``OGMGE``, by naming it after them.

    Args:
        gamma: Strength of the coefficient.
        starts: First epoch with the coefficient, counted from 0.
        ends: Last epoch with it, itself included; None for all.
        joint_loss: Train the heads, as published: in **every** epoch, also outside of the window, the losses of the
            modalities are added to the objective. The coefficient and these losses are two things; ``UnimodalLoss`` is
            the second alone.
        loss: Config of the loss of a modality; the loss of the model by default.
        noise_scale: Factor of the noise; 1 as published, 0 for none.
        seed: Seed of the noise; that of the run by default.
        noise_source: Noise from elsewhere, as in :class:`NoisyBalancingHook`.
        **options: ``name``, ``log_prefix`` and ``params`` of :class:`BalancingHook`. Here ``params['pattern']`` is
            searched in the names of the whole model, so that the method acts on any layer, as with
            ``params=dict(pattern=r'^mixer')``. By default it acts on ``fusion.fc_out``, or all of ``fusion`` where
            that has no such layer.

    Example:
        >>> custom_hooks = [dict(type='OGMGE', alpha=0.8, ends=50), dict(type='InverseEffectiveness', gamma=1.0)]
    """

    def __init__(self, gamma: float = 1.0, starts: int = 0, ends: int | None = 100, joint_loss: bool = True,
                 loss: dict | None = None, noise_scale: float = 1.0, seed: int | None = None,
                 noise_source: Callable[[str, Tensor], Tensor] | None = None, **options):
        super().__init__(noise_scale=noise_scale, seed=seed, noise_source=noise_source, starts=starts, ends=ends,
                         **options)
        if gamma < 0:
            raise ConfigError(f'{self.name}.gamma is {gamma}; it must be 0 or more')
        self.gamma, self.joint_loss = gamma, joint_loss
        self.loss = None if loss is None else LOSSES.build(loss)

    @property
    def objective_active(self) -> bool:
        """The losses of the modalities do not depend on the window."""
        return self.joint_loss

    def loss_term(self, step: Step) -> Tensor:
        """The sum of the losses of the modalities."""
        return sum(unimodal_losses(self.model, step, self.loss).values())

    def batch_scores(self, model: AVModel, step: Step) -> Tensor:
        """``s_m`` of each modality, then ``s``: ``(M + 1,)``."""
        alone = model.head_logits(step.feats)
        logits = [alone[m] for m in model.modalities] + [step.logits]
        return torch.stack([label_score(z, step.labels) for z in logits])

    def coefficients(self, scores: Tensor) -> dict[str, Tensor]:
        """``{'inverse': xi}`` from the scores ``(M + 1,)`` of the whole batch."""
        return {'inverse': inverse_coefficient(scores, self.gamma)}

    def targets(self, model: AVModel) -> dict[str, NamedParameters]:
        """``{'inverse': the parameters of the fusion}``.

        Raises:
            ConfigError: If no parameter is chosen.
        """
        part: nn.Module = model
        if self.params['pattern'] is None:
            part = getattr(model, 'fusion', None)
            if not isinstance(part, nn.Module):
                raise ConfigError(f'{self.name}: {type(model).__name__} has no module named fusion; say which '
                                  "parameters fuse, as in params=dict(pattern=r'^classifier')")
            part = getattr(part, 'fc_out', part)
        chosen = [(name, p) for name, p in select_parameters(model, part, **self.params) if p.requires_grad]
        if not chosen:
            raise ConfigError(f'{self.name}: no parameter of {type(model).__name__} that learns has {self._rule()}; '
                              'choose others with params=dict(dims=..., pattern=...)')
        return {'inverse': chosen}


def inverse_coefficient(scores: Tensor, gamma: float = 1.0) -> Tensor:
    """``xi = gamma * (1 + tanh(1 - mean_m(s_m) / s))``, a scalar.

    Args:
        scores: ``(M + 1,)``, :func:`label_score` of each modality, then that of the joint logits.
        gamma: Strength.
    """
    # A joint score of zero, which only underflow can bring about, gives xi = 0, and all at zero count as r = 1.
    scores = scores.clamp_min(torch.finfo(scores.dtype).tiny)
    return gamma * (1 + torch.tanh(1 - scores[:-1].mean() / scores[-1]))
