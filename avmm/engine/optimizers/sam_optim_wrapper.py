"""Sharpness-aware minimisation: the gradient of a step comes from the worst place nearby."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.runner.amp import autocast
from torch import Tensor, nn

from avmm.engine.optimizers.optim_wrapper import OptimWrapper
from avmm.registry import OPTIM_WRAPPERS
from avmm.utils import ConfigError
from avmm.utils.batch_norm import frozen_statistics


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(OptimWrapper):
    """Two passes over each batch: climb by the first gradient, step by the second, from where the climb began.

    "Sharpness-Aware Minimization for Efficiently Improving Generalization" (ICLR 2021), Eq. 2 and 3: with the gradient
    ``g`` at the weights ``w``, the update uses the gradient at ``w + rho * g / (|g| + 1e-12)``, the norm taken over
    all parameters together; adaptive, ``w + rho * w^2 g / (|w g| + 1e-12)``. Both passes see the same batch, and draw
    their own dropout. Batch normalisation takes the first pass alone into its running statistics.

    The model asks for the second pass by itself (:meth:`avmm.models.base.AVModel.train_step`). Clipping and the
    balancing hooks that edit gradients act once, on the second gradient; a balancing hook that does the whole update
    itself cannot be combined. The reported losses are those of the first pass.

    Args:
        optimizer: The optimiser of the second step; schedules act on it.
        rho: How far to climb.
        adaptive: Whether a parameter climbs in proportion to its own size (ASAM).
        dtype: ``'bfloat16'`` computes both passes under autocast; None does not. A loss that has to be scaled
            (float16) is not supported.
        accumulative_counts: 1. Accumulation would need every batch of an update twice.
        **kwargs: Further arguments of :class:`OptimWrapper`: ``clip_grad``, ``zero_grad_set_to_none``.

    Raises:
        ConfigError: If an option cannot be.

    Example:
        >>> optim_wrapper = dict(type='SAMOptimWrapper', rho=0.05, optimizer=dict(type='Adam', lr=7e-5))
    """

    #: Tells the model to offer a second pass with every update.
    needs_second_pass = True

    def __init__(self, optimizer: torch.optim.Optimizer, rho: float = 0.05, adaptive: bool = False,
                 dtype: str | None = None, accumulative_counts: int = 1, **kwargs):
        super().__init__(optimizer=optimizer, accumulative_counts=accumulative_counts, **kwargs)
        if accumulative_counts != 1:
            raise ConfigError(f'SAMOptimWrapper: accumulative_counts is {accumulative_counts}; it must be 1, each '
                              'update needs its batch twice; use larger batches')
        if rho < 0:
            raise ConfigError(f'SAMOptimWrapper: rho is {rho}; it must be 0 or more')
        if dtype not in (None, 'bfloat16'):
            raise ConfigError(f"SAMOptimWrapper: dtype={dtype!r} is neither None nor 'bfloat16'")
        self.rho, self.adaptive, self.dtype = float(rho), adaptive, dtype
        self._model: nn.Module | None = None

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None,
                      second_pass: Callable[[], Tensor] | None = None) -> None:
        """One update.

        Args:
            loss: Loss ``()`` of the first pass.
            step_kwargs: Arguments of the step of the optimiser.
            zero_kwargs: Arguments of :meth:`zero_grad`.
            second_pass: Computes the loss of the same batch again, with the weights as they are by then.

        Raises:
            ConfigError: If there is no second pass.
        """
        if second_pass is None:
            raise ConfigError('SAMOptimWrapper needs a second pass over each batch, and what does the update here '
                              '(a balancing hook with a train_step of its own?) offers none; use OptimWrapper')
        loss.backward()
        having = [p for p in self.parameters() if p.grad is not None]
        with self._climbed(having):
            # Removed, not zeroed: a balancing hook begins a new sum of scores where it finds no gradients.
            self.zero_grad(set_to_none=True)
            with frozen_statistics(self._model):
                second = second_pass()
            self.backward(second)
        if not self.zero_grad_set_to_none:
            for param in having:
                if param.grad is None:
                    param.grad = torch.zeros_like(param)
        self.step(**(step_kwargs or {}))
        self.zero_grad(**(zero_kwargs or {}))

    @contextmanager
    def _climbed(self, params: list[nn.Parameter]) -> Iterator[None]:
        """The weights at the end of the climb; within, they can be differentiated. Exactly the old ones come back."""
        old = [p.detach().clone() for p in params]
        self._climb(params)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(params, old)

    @torch.no_grad()
    def _climb(self, params: list[nn.Parameter]) -> None:
        if not params:
            return
        grads = [p.grad for p in params]
        if self.adaptive:
            sizes = torch._foreach_abs(params)
            grads = torch._foreach_mul(grads, sizes)
        norms = torch._foreach_norm(grads)
        scale = self.rho / (torch.stack([n.to(norms[0].device) for n in norms]).norm() + 1e-12)
        if self.adaptive:
            grads = torch._foreach_mul(grads, sizes)
        torch._foreach_add_(params, [g * scale.to(g) for g in grads])

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Autocast if it is asked for; notes the model whose statistics the second pass leaves alone."""
        self._model = model
        with super().optim_context(model), autocast(enabled=self.dtype is not None, dtype=torch.bfloat16):
            yield
