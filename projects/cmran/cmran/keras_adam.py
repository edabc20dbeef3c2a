"""Adam as Keras computes it."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch

from avmm.registry import OPTIMIZERS
from avmm.utils import ConfigError


@OPTIMIZERS.register_module()
class KerasAdam(torch.optim.Optimizer):
    r"""Adam whose epsilon stays outside the bias correction, as in Keras.

    .. math::
        p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \cdot \frac{m}{\sqrt v + \epsilon}

    torch adds epsilon to the corrected root instead, so that in early steps, and for small gradients, its updates
    are larger.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the means of gradients and of their squares.
        eps: Epsilon.

    Raises:
        ConfigError: If a value is out of its range.
    """

    def __init__(self, params: Iterable, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-7):
        if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ConfigError(f'KerasAdam: lr={lr} and eps={eps} must be 0 or more, betas={tuple(betas)} in [0, 1)')
        super().__init__(params, dict(lr=lr, betas=tuple(betas), eps=eps))

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:
        """One update of every parameter that has a gradient; returns what ``closure`` gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_age: dict[int, list[torch.Tensor]] = {}
            for p in group['params']:
                if p.grad is not None:
                    by_age.setdefault(self._grow_older(p), []).append(p)
            for age, params in by_age.items():
                self._update(params, age, group)
        return loss

    def _grow_older(self, p: torch.Tensor) -> int:
        """Number of the update of ``p`` that comes now, counted from 1."""
        state = self.state[p]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        state['step'] += 1
        return state['step']

    def _update(self, params: list[torch.Tensor], age: int, group: dict) -> None:
        beta1, beta2 = group['betas']
        grads = [p.grad for p in params]
        means = [self.state[p]['exp_avg'] for p in params]
        squares = [self.state[p]['exp_avg_sq'] for p in params]
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, group['eps'])
        rate = group['lr'] * math.sqrt(1 - beta2 ** age) / (1 - beta1 ** age)
        torch._foreach_addcdiv_(params, means, roots, -rate)
