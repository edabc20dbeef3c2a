"""LFM: the gap between what the modalities say, as a part of the objective."""
from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from avmm.balancing.base import BalancingHook
from avmm.datasets.collate import av_collate
from avmm.datasets.samplers.base import SampleIndex
from avmm.models.base import AVModel, Feats, Step
from avmm.registry import HOOKS
from avmm.utils import ConfigError

# Coefficients of e^0 .. e^5 of the fitted weight of the objective.
_FITTED = (2.04623704e-1, 3.35472727e-3, 1.22989557e-4, -2.92947416e-6, 2.23835486e-8, -5.39717505e-11)


@HOOKS.register_module()
class LFM(BalancingHook):
    r"""Add the divergence between the modalities to the objective.

    "Facilitating Multimodal Classification via Dynamically Learning Modality Gap" (NeurIPS 2024). For two modalities
    with vectors p and q (logits, or features), :math:`P = softmax(p)`, :math:`Q = softmax(q)` and
    :math:`M = (P + Q) / 2`:

    .. math:: A(p, q) = \frac{1}{2B} \sum_i [ KL(M_i || P_i) + KL(M_i || Q_i) ]

    and the mean over all pairs, for more than two. The objective L becomes, by ``weights``,

    * ``'constant'``: ``L + weight * A``, as the released code of inverse-effectiveness fusion has it;
    * ``'fitted'``: ``2 * (k0 * L + k1 * A)``, where ``k0(e) + k1(e) = 1`` is a polynomial in the epoch e, fitted to
      learned weights and made for 100 to 200 epochs;
    * ``'learned'``: the same, with ``k1`` learned from a held-out part of the training set, once an epoch:
      ``h = d/dtheta <grad(k0 L + k1 A), grad(L)>`` is averaged over the first parameter tensor, and
      ``k1 <- clip(k1 - rate * mean(h), 0.05, 0.95)``; the rate is halved every 20 epochs.

    ``L`` is the whole objective, what other hooks add included.

    Args:
        space: What is aligned: ``'logit'``, the logits of each modality (those of the heads, if the model has heads),
            or ``'feature'``, the fused features.
        weights: ``'constant'``, ``'fitted'`` or ``'learned'``.
        weight: Factor of the alignment with ``'constant'``.
        start: First ``(k0, k1)`` with ``'learned'``.
        rate: First step size with ``'learned'``.
        held_out: Number of samples, taken from the training set, with ``'learned'``.
        starts: First epoch, counted from 0.
        ends: Last epoch, itself included; None for all.
        **options: ``name`` and ``log_prefix`` of :class:`BalancingHook`.

    Raises:
        ConfigError: If an option is unknown.

    Example:
        >>> custom_hooks = [dict(type='LFM', space='logit', weights='fitted')]
    """

    def __init__(self, space: str = 'logit', weights: str = 'fitted', weight: float = 1.0,
                 start: tuple[float, float] = (0.05, 0.95), rate: float = 1e-4, held_out: int = 8, starts: int = 0,
                 ends: int | None = None, **options):
        super().__init__(starts, ends, **options)
        if space not in ('logit', 'feature'):
            raise ConfigError(f"{self.name}.space is {space!r}; use 'logit' or 'feature'")
        if weights not in ('constant', 'fitted', 'learned'):
            raise ConfigError(f"{self.name}.weights is {weights!r}; use 'constant', 'fitted' or 'learned'")
        if abs(sum(start) - 1) > 1e-6:
            raise ConfigError(f'{self.name}.start is {tuple(start)}; the two weights have to add up to 1')
        self.space, self.weights, self.weight = space, weights, weight
        self.k1, self.rate = float(start[1]), rate
        self.held_out = held_out
        self._held_out: dict | None = None
        self._learned_in = -1

    @property
    def pair(self) -> tuple[float, float]:
        """The weights ``(k0, k1)`` of the epoch."""
        return fitted_weights(self.epoch) if self.weights == 'fitted' else (1 - self.k1, self.k1)

    def loss_term(self, step: Step) -> Tensor:
        """The alignment, weighted if its weight is constant."""
        value = self.alignment(self.model, step.feats)
        return self.weight * value if self.weights == 'constant' else value

    def weigh_losses(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Twice ``k1`` times the alignment, twice ``k0`` times all other terms."""
        if self.weights == 'constant':
            return {}
        k0, k1 = self.pair
        return {name: 2 * (k1 if name == self.loss_name else k0) * value
                for name, value in losses.items() if 'loss' in name}

    def alignment(self, model: AVModel, feats: Feats) -> Tensor:
        """Mean over the pairs of modalities of :func:`alignment_loss`."""
        values = model.head_logits(feats) if self.space == 'logit' else model.fused_feats(feats)
        pairs = [alignment_loss(values[m], values[n]) for m, n in combinations(model.modalities, 2)]
        return sum(pairs) / len(pairs)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Open or close the window; at the first iteration of an epoch, learn the weights that are to be learned."""
        super().before_train_iter(runner, batch_idx, data_batch)
        if self.weights != 'learned' or not self.active or self._learned_in == runner.epoch:
            return
        self._learned_in = runner.epoch
        if runner.epoch and runner.epoch % 20 == 0:
            self.rate /= 2
        if self._held_out is None:
            self._held_out = held_out_batch(runner, self.held_out)
        self.learn(self._held_out)

    def learn(self, batch: dict) -> None:
        """One step on ``k1`` from a batch of held-out samples; normalisation and dropout are those of evaluation."""
        model = self.model
        losses = self._held_out_losses(batch)
        align = losses.pop(self.loss_name)
        loss, _ = model.parse_losses(losses)
        k0, k1 = self.pair
        params = [p for p in model.parameters() if p.requires_grad]
        task = torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True)
        total = torch.autograd.grad(k0 * loss + k1 * align, params, create_graph=True, allow_unused=True)
        product = sum((g * h).sum() for g, h in zip(total, task, strict=True) if g is not None and h is not None)
        slope = torch.autograd.grad(product, params[:1])[0].mean()
        # Once an epoch, so that the value may cross to the host.
        self.k1 = min(max(self.k1 - self.rate * float(slope), 0.05), 0.95)

    def _held_out_losses(self, batch: dict) -> dict[str, Tensor]:
        """The terms of the objective before they are weighed."""
        model, was_training = self.model, self.model.training
        model.eval()
        model.remove_loss_weighting(self.name)
        try:
            # Not through __call__: hooks on the model would take these samples for a step of training.
            return dict(model.forward(**model.data_preprocessor(batch, training=False), mode='loss'))
        finally:
            model.add_loss_weighting(self.name, self.weigh_losses)
            model.train(was_training)
            model.step = Step()

    def state_dict(self) -> dict:
        """The learned weight, the step size, and the epoch that has learned last."""
        return dict(k1=self.k1, rate=self.rate, learned_in=self._learned_in)

    def load_state_dict(self, state: dict) -> None:
        """Take them back."""
        self.k1, self.rate, self._learned_in = float(state['k1']), float(state['rate']), int(state['learned_in'])


def fitted_weights(epoch: int) -> tuple[float, float]:
    """``(k0, k1)`` of an epoch, counted from 0; see :class:`LFM`."""
    k0 = sum(c * epoch**i for i, c in enumerate(_FITTED))
    return k0, 1 - k0


def held_out_batch(runner, size: int) -> dict:
    """Samples evenly spread over the training set, the same on every rank and in every run of one seed."""
    dataset = runner.train_dataloader.dataset
    count = min(size, len(dataset))
    draws = [SampleIndex(i * len(dataset) // count, seed=runner.seed or 0, position=i) for i in range(count)]
    return av_collate([dataset[draw] for draw in draws])


def alignment_loss(p: Tensor, q: Tensor) -> Tensor:
    """``A(p, q)`` of vectors ``(B, C)``, or ``(B, S, C)`` for segments, whose sums are then averaged over B S.

    It is half the sum of ``KL(M || P)`` and ``KL(M || Q)``, computed from log-softmax.
    """
    wide = torch.promote_types(p.dtype, torch.float32)
    log_p, log_q = (log_softmax(x.flatten(0, -2), -1, dtype=wide) for x in (p, q))
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (log_m.exp() * (log_m - (log_p + log_q) / 2)).sum() / len(log_p)
