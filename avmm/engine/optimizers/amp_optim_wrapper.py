"""Mixed precision on GPUs, and bfloat16 on CPU."""
from __future__ import annotations

from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.runner.amp import autocast
from torch import nn

from avmm.engine.optimizers.optim_wrapper import OptimWrapper
from avmm.registry import OPTIM_WRAPPERS
from avmm.utils import ConfigError


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Computes the loss under autocast; float16 with a scaled loss, bfloat16 without.

    Args:
        loss_scale: ``'dynamic'``, a fixed scale, or arguments of ``torch.amp.GradScaler``; float16 only.
        dtype: ``'float16'`` or ``'bfloat16'``; by default float16 on a GPU and bfloat16 on CPU.
        **kwargs: Arguments of :class:`OptimWrapper`.

    Raises:
        ConfigError: If the device cannot do what is asked.
    """

    def __init__(self, loss_scale: str | float | dict = 'dynamic', dtype: str | torch.dtype | None = None, **kwargs):
        super().__init__(**kwargs)
        device = get_device()
        dtype = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
        dtype = dtype or (torch.bfloat16 if device == 'cpu' else torch.float16)
        if dtype not in (torch.float16, torch.bfloat16):
            raise ConfigError(f'AmpOptimWrapper: dtype={dtype} is neither float16 nor bfloat16')
        if dtype == torch.float16 and device == 'cpu':
            raise ConfigError('AmpOptimWrapper: float16 needs a GPU; use dtype="bfloat16" on CPU')
        self.cast_dtype = dtype
        self._fixed_scale = float(loss_scale) if isinstance(loss_scale, (int, float)) else None
        options = dict(loss_scale) if isinstance(loss_scale, dict) else {}
        if self._fixed_scale is not None:
            options['init_scale'] = self._fixed_scale
        self.loss_scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16, **options)

    def backward(self, loss: torch.Tensor, **kwargs) -> None:
        """Gradients of the scaled loss."""
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs) -> None:
        """Clip, update, and adapt the scale."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._fixed_scale)

    def state_dict(self) -> dict:
        """State of the optimiser and of the scale."""
        return dict(super().state_dict(), loss_scaler=self.loss_scaler.state_dict())

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state; one that was saved without mixed precision keeps the scale as it is."""
        state_dict = dict(state_dict)
        scale = state_dict.pop('loss_scaler', None)
        if scale and self.loss_scaler.is_enabled():
            self.loss_scaler.load_state_dict(scale)
        super().load_state_dict(state_dict)

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Autocast, and no exchange of gradients while they accumulate."""
        with super().optim_context(model), autocast(dtype=self.cast_dtype):
            yield
