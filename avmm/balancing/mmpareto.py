"""Gradients of several objectives that agree."""
from __future__ import annotations

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor

from avmm.balancing.base import BalancingHook
from avmm.balancing.unimodal_loss import unimodal_losses
from avmm.models.base import AVModel, Step
from avmm.registry import HOOKS, LOSSES
from avmm.utils import ConfigError

Grads = dict[str, Tensor]


@HOOKS.register_module()
class MMPareto(BalancingHook):
    r"""Join, in each branch, the gradients of the joint and of the unimodal objective so that neither is opposed.

    "MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance" (ICML 2024), section 3. With the
    gradients :math:`g_0` of the joint loss and :math:`g_m` of modality m's own loss over all parameters of branch m:

    * if they agree (:math:`\langle g_0, g_m \rangle > 0`), both weigh 1/2, else they get the weights of the point of
      smallest norm between them, :math:`w_0 g_0 + w_m g_m`;
    * :math:`g = 2 w_0 g_0 + 2 w_m g_m`, tensor by tensor enlarged to the norm of :math:`g_0 + g_m` where it is
      shorter, and multiplied by ``alpha``.

    All other parameters get the plain sum of the gradients. The hook does the whole update: one forward pass and a
    backward pass for each objective. Released code for it loses its weights; this is the method of the paper.

    The weights are those of the gradients averaged over the ranks. They are in the log, ``balance/<modality>`` being
    twice the weight of the joint loss: 1 where the gradients agree.

    Args:
        alpha: Factor of the gradients of the branches.
        loss: Config of the loss of a modality; the loss of the model by default.
        starts: First epoch, counted from 0.
        ends: Last epoch, itself included; None for all.
        **options: ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`; parameters that are not chosen
            get the plain sum.

    Example:
        >>> custom_hooks = [dict(type='MMPareto', alpha=1.5)]
    """

    def __init__(self, alpha: float = 1.5, loss: dict | None = None, starts: int = 0, ends: int | None = None,
                 **options):
        super().__init__(starts, ends, **options)
        if alpha <= 0:
            raise ConfigError(f'{self.name}.alpha is {alpha}; it must be more than 0')
        self.alpha = alpha
        self.loss = None if loss is None else LOSSES.build(loss)
        self._alone: dict[str, Tensor] = {}

    def attach(self, model, optimizer) -> None:
        """Begin to act."""
        super().attach(model, optimizer)
        self._targets = self.targets(self.model)

    def loss_term(self, step: Step) -> Tensor:
        """The sum of the losses of the modalities, which become objectives of their own in :meth:`train_step`."""
        self._alone = unimodal_losses(self.model, step, self.loss)
        return sum(self._alone.values())

    def train_step(self, model: AVModel, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One update from the gradients of all objectives."""
        with optim_wrapper.optim_context(model.outer):
            data = model.data_preprocessor(data, training=True)
            losses = model.run_forward(data)
        total, log_vars = model.parse_losses(losses)
        model.check_finite(total, log_vars)
        joint, _ = model.parse_losses({name: value for name, value in losses.items() if name != self.loss_name})
        # A scaled loss keeps the small gradients of half precision; the update scales once more.
        scaler = getattr(optim_wrapper, 'loss_scaler', None)
        scale = 1.0 if scaler is None else scaler.scale(total.new_ones(()))
        objectives = {'': joint * scale, **{m: value * scale for m, value in self._alone.items()}}
        self._alone = {}
        grads = self.joined_gradients(model, objectives)
        if scaler is not None:
            torch._foreach_div_(list(grads.values()), scale)
        params = dict(model.named_parameters())
        given = _GiveGradients.apply(total.detach(), list(grads.values()), *(params[name] for name in grads))
        optim_wrapper.update_params(given)
        return log_vars

    def joined_gradients(self, model: AVModel, objectives: dict[str, Tensor]) -> Grads:
        """``{parameter: gradient}`` from the joint objective, named ``''``, and those of the modalities."""
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        grads: dict[str, Grads] = {}
        for i, (key, value) in enumerate(objectives.items(), 1):
            found = torch.autograd.grad(value, [p for _, p in named], retain_graph=i < len(objectives),
                                        allow_unused=True)
            grads[key] = {name: g for (name, _), g in zip(named, found, strict=True) if g is not None}
        combined: Grads = {}
        weights = {}
        for m in model.modalities:
            both = [name for name, _ in self._targets[m] if name in grads[''] and name in grads[m]]
            if not both:
                # A frozen branch.
                weights[m] = torch.full_like(objectives[''].detach(), 0.5)
                continue
            first, second = ([grads[key].pop(name) for name in both] for key in ('', m))
            joined, weights[m] = join_gradients(average_over_ranks(first), average_over_ranks(second), self.alpha)
            combined |= zip(both, joined, strict=True)
        for rest in grads.values():
            for name, g in rest.items():
                combined[name] = combined[name] + g if name in combined else g
        self.record({m: 2 * w for m, w in weights.items()})
        return combined


def join_gradients(first: list[Tensor], second: list[Tensor], alpha: float = 1.0) -> tuple[list[Tensor], Tensor]:
    """``2 w_0 g_0 + 2 w_1 g_1``, at least as long as ``g_0 + g_1`` in each tensor, times alpha; and ``w_0``, ``()``.

    Args:
        first: Gradients ``g_0`` of one objective, a tensor for each parameter.
        second: Gradients ``g_1`` of another, for the same parameters.
        alpha: Factor of the result.
    """
    product = dot(first, second)
    w0, w1, _ = min_norm_weights(dot(first, first), product, dot(second, second))
    half = torch.full_like(w0, 0.5)
    w0, w1 = torch.where(product > 0, half, w0), torch.where(product > 0, half, w1)
    plain = torch._foreach_norm(torch._foreach_add(first, second))
    joined = torch._foreach_add(torch._foreach_mul(first, 2 * w0), torch._foreach_mul(second, 2 * w1))
    lengths = torch._foreach_norm(joined)
    tiny = torch.finfo(w0.dtype).tiny
    factors = [alpha * (long / short.clamp_min(tiny)).clamp_min(1) for long, short in zip(plain, lengths, strict=True)]
    torch._foreach_mul_(joined, factors)
    return joined, w0


def min_norm_weights(g00: Tensor, g01: Tensor, g11: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The shortest vector ``w_0 g_0 + w_1 g_1`` with ``w_0 + w_1 = 1``, from inner products.

    "Multi-Task Learning as Multi-Objective Optimization" (NeurIPS 2018), the closed form for two tasks. Where an end
    of the segment is the shortest, its weight is 0.999, so that no objective is lost.

    Args:
        g00: ``<g_0, g_0>``, a scalar.
        g01: ``<g_0, g_1>``.
        g11: ``<g_1, g_1>``.

    Returns:
        ``w_0``, ``w_1`` and the squared norm of the shortest vector, scalars.
    """
    inside = (g11 - g01) / (g00 + g11 - 2 * g01).clamp_min(torch.finfo(g00.dtype).tiny)
    w0 = torch.where(g01 >= g00, 0.999, torch.where(g01 >= g11, 0.001, inside))
    norm = torch.where(g01 >= g00, g00, torch.where(g01 >= g11, g11, g11 + inside * (g01 - g11)))
    return w0, 1 - w0, norm


def dot(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Inner product ``()`` of two lists of tensors, at least in float32."""
    wide = [torch.promote_types(t.dtype, torch.float32) for t in first]
    parts = [torch.vdot(a.to(w).reshape(-1), b.to(w).reshape(-1)) for a, b, w in zip(first, second, wide, strict=True)]
    return torch.stack(parts).sum()


def average_over_ranks(grads: list[Tensor]) -> list[Tensor]:
    """The mean of each tensor over the ranks, in one reduction."""
    if get_world_size() == 1:
        return grads
    flat = torch.cat([g.reshape(-1) for g in grads])
    all_reduce(flat, op='mean')
    return [part.view_as(g) for part, g in zip(flat.split([g.numel() for g in grads]), grads, strict=True)]


class _GiveGradients(torch.autograd.Function):
    """A loss whose gradients are known, so that the usual update scales, accumulates, reduces and clips them."""

    @staticmethod
    def forward(ctx, loss: Tensor, grads: list[Tensor], *params: Tensor) -> Tensor:
        ctx.grads = grads
        return loss.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        return None, None, *torch._foreach_mul(ctx.grads, grad)
