"""Spikes whose gradient is that of a smooth stand-in."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from avmm.registry import MODELS
from avmm.utils import ConfigError


class _Spike(torch.autograd.Function):
    """A step function forward, the slope of a surrogate backward."""

    @staticmethod
    def forward(ctx, x: Tensor, alpha: Tensor, kind: type[Surrogate]) -> Tensor:
        ctx.save_for_backward(x, alpha)
        ctx.kind = kind
        return kind.fires(x).to(x.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, alpha = ctx.saved_tensors
        grad_x = grad * ctx.kind.slope(x, alpha) if ctx.needs_input_grad[0] else None
        grad_alpha = (grad * ctx.kind.alpha_slope(x, alpha)).sum() if ctx.needs_input_grad[1] else None
        return grad_x, grad_alpha, None


class Surrogate(nn.Module):
    """Base of surrogate gradients: ``y = 1`` where ``x > 0``, with a slope that a subclass gives.

    "Surrogate Gradient Learning in Spiking Neural Networks" (IEEE Signal Processing Magazine 2019).

    Args:
        alpha: Sharpness; ``alpha`` in the state, a scalar, whether it is trained or not.
        trainable: Learn ``alpha``; only where a surrogate has a slope for it.

    Raises:
        ConfigError: If ``alpha`` is not positive, or cannot be learned.
    """

    default_alpha = 2.0

    def __init__(self, alpha: float | None = None, trainable: bool = False):
        super().__init__()
        alpha = self.default_alpha if alpha is None else alpha
        name = type(self).__name__
        if alpha <= 0:
            raise ConfigError(f'{name}.alpha is {alpha}; it must be more than 0')
        if trainable and type(self).alpha_slope is Surrogate.alpha_slope:
            raise ConfigError(f'{name} has no slope for alpha; trainable=True is for AtanGrad')
        self.alpha = nn.Parameter(torch.tensor(float(alpha)), requires_grad=trainable)

    @staticmethod
    def fires(x: Tensor) -> Tensor:
        """Where there is a spike, boolean."""
        return x > 0

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """What stands in for ``dy/dx``."""
        raise NotImplementedError

    @staticmethod
    def alpha_slope(x: Tensor, alpha: Tensor) -> Tensor:
        """``dy/dalpha`` of the smooth function."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Spikes, 0 or 1, of the shape and type of ``x``."""
        return _Spike.apply(x, self.alpha, type(self))


@MODELS.register_module()
class QGateGrad(Surrogate):
    """A triangle of height alpha and half-width 1/alpha: ``max(0, alpha - alpha^2 |x|)``."""

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """``max(0, alpha - alpha^2 |x|)``."""
        return (alpha - alpha * alpha * x.abs()).clamp_min(0)


@MODELS.register_module()
class GateGrad(Surrogate):
    """A rectangle of height 1 and half-width 1/alpha."""

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """1 where ``|x| < 1/alpha``."""
        return (x.abs() < 1 / alpha).to(x.dtype)


@MODELS.register_module()
class AtanGrad(Surrogate):
    """The derivative of ``atan(pi/2 alpha x) / pi``; alpha can be trained."""

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """``(alpha/2) / (1 + (pi/2 alpha x)^2)``."""
        return alpha / 2 / (1 + (math.pi / 2 * alpha * x).square())

    @staticmethod
    def alpha_slope(x: Tensor, alpha: Tensor) -> Tensor:
        """``(x/2) / (1 + (pi/2 alpha x)^2)``."""
        return x / 2 / (1 + (math.pi / 2 * alpha * x).square())


@MODELS.register_module()
class SigmoidGrad(Surrogate):
    """The derivative of ``sigmoid(alpha x)``; fires at ``x = 0`` already."""

    default_alpha = 1.0

    @staticmethod
    def fires(x: Tensor) -> Tensor:
        """``x >= 0``."""
        return x >= 0

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """``alpha s (1 - s)``, ``s = sigmoid(alpha x)``."""
        s = torch.sigmoid(alpha * x)
        return alpha * s * (1 - s)


@MODELS.register_module()
class ReLUGrad(Surrogate):
    """The derivative of ``alpha max(x, 0)``."""

    @staticmethod
    def slope(x: Tensor, alpha: Tensor) -> Tensor:
        """alpha where ``x > 0``."""
        return alpha * (x > 0).to(x.dtype)
