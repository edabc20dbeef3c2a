"""How a loss becomes an update."""
from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper as _OptimWrapper
from torch import Tensor

from avmm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_OptimWrapper):
    """mmengine's wrapper, which also keeps zero gradients if it is told to, after a resume too.

    Args:
        optimizer: The optimiser.
        zero_grad_set_to_none: Whether gradients are removed after an update, as torch does. If not, they become zeros:
            a branch that a step leaves out then still decays, and its moments still fade.
        **kwargs: ``accumulative_counts`` and ``clip_grad``, as in mmengine.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, zero_grad_set_to_none: bool = True, **kwargs):
        super().__init__(optimizer=optimizer, **kwargs)
        self.zero_grad_set_to_none = zero_grad_set_to_none

    def zero_grad(self, **kwargs) -> None:
        """Remove the gradients, or set them to zero."""
        kwargs.setdefault('set_to_none', self.zero_grad_set_to_none)
        self.optimizer.zero_grad(**kwargs)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide by the number of accumulated batches."""
        return loss if self._accumulative_counts == 1 else super().scale_loss(loss)

    def parameters(self) -> list[torch.nn.Parameter]:
        """Every parameter that the optimiser updates, in a fixed order."""
        return [p for group in self.optimizer.param_groups for p in group['params']]

    def state_dict(self) -> dict:
        """State of the optimiser and, between two updates, of the gradients."""
        state = super().state_dict()
        params = self.parameters()
        if not self.zero_grad_set_to_none:
            state['with_grad'] = [i for i, p in enumerate(params) if p.grad is not None]
        if self._inner_count % self._accumulative_counts:
            state['grads'] = {i: p.grad for i, p in enumerate(params) if p.grad is not None}
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state of :meth:`state_dict`, or one of mmengine's wrapper."""
        state_dict = dict(state_dict)
        grads = state_dict.pop('grads', {})
        with_grad = state_dict.pop('with_grad', None)
        super().load_state_dict(state_dict)
        params = self.parameters()
        if not self.zero_grad_set_to_none:
            if with_grad is None:
                with_grad = [i for i, p in enumerate(params) if p in self.optimizer.state]
            for i in with_grad:
                params[i].grad = torch.zeros_like(params[i])
        for i, grad in grads.items():
            params[i].grad = grad.to(params[i], copy=True)

    def _clip_grad(self) -> None:
        params = [p for p in self.parameters() if p.requires_grad and p.grad is not None]
        norm = self.clip_func(params, **self.clip_grad_kwargs) if params else None
        if norm is not None:
            # A tensor: it waits on the device until the log is written.
            self.message_hub.update_scalar(f'train/{self.grad_name}', norm)
