"""Activations with a membrane: what stands between two convolutions of a spiking network."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.registry import MODELS
from avmm.utils import ConfigError


class Node(nn.Module):
    """Base of neurons that see S time steps at once.

    A node takes steps folded into the batch, ``(S * N, ...)``, step by step, and starts from an empty membrane in each
    call: between two calls it remembers nothing, so models are copied, saved and restarted like any other.

    Args:
        threshold: The membrane fires above it. A scalar of the state that is not trained.
        act_fun: Config of a :class:`Surrogate`.
        steps: Number S of time steps.

    Raises:
        ConfigError: If ``steps`` is less than 1.
    """

    def __init__(self, threshold: float = 0.5, act_fun: dict | None = None, steps: int = 1):
        super().__init__()
        if steps < 1:
            raise ConfigError(f'{type(self).__name__}.steps is {steps}; a node needs one step or more')
        self.steps = steps
        self.threshold = nn.Parameter(torch.tensor(float(threshold)), requires_grad=False)
        if act_fun is not None:
            self.act_fun = MODELS.build(dict(act_fun))

    def charge(self, u: Tensor, x: Tensor) -> Tensor:
        """The membrane ``u`` after the input ``x`` of one step."""
        raise NotImplementedError

    def integrate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Spikes ``(S, N, ...)`` and the membrane ``(N, ...)`` that is left, of inputs ``(S, N, ...)``.

        A spike resets its membrane to 0; the gradient passes through the membrane, not through the reset.
        """
        u, spikes = torch.zeros_like(x[0]), []
        for x_t in x.unbind():
            u = self.charge(u, x_t)
            spike = self.act_fun(u - self.threshold)
            u = u * (1 - spike.detach())
            spikes.append(spike)
        return torch.stack(spikes), u

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of ``(S * N, ...)``, in the same shape."""
        return self.integrate(x.unflatten(0, (self.steps, -1)))[0].flatten(0, 1)


@MODELS.register_module()
class ReLUNode(Node):
    """``max(x, 0)``. It has no membrane, and a threshold only because released checkpoints have one.

    Args:
        threshold: Not used.
        inplace: Overwrite the input.
        steps: Number of time steps, which are all alike to it.
    """

    def __init__(self, threshold: float = 0.5, inplace: bool = False, steps: int = 1):
        super().__init__(threshold, steps=steps)
        self.inplace = inplace

    def integrate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified inputs, and the number 0 in place of a membrane."""
        return self.forward(x), x.new_zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Rectified inputs."""
        return F.relu(x, inplace=self.inplace)


@MODELS.register_module()
class LIFNode(Node):
    """Leaky integrate and fire: ``u <- u + (x - u) / tau``.

    Args:
        threshold: The membrane fires above it.
        tau: Time constant, in steps.
        act_fun: Surrogate gradient; :class:`QGateGrad` by default.
        steps: Number of time steps.
    """

    def __init__(self, threshold: float = 0.5, tau: float = 2.0, act_fun: dict | None = None, steps: int = 1):
        super().__init__(threshold, act_fun or dict(type='QGateGrad'), steps)
        if tau < 1:
            raise ConfigError(f'LIFNode.tau is {tau}; below 1 the membrane would overshoot its input')
        self.tau = tau

    def charge(self, u: Tensor, x: Tensor) -> Tensor:
        """``u + (x - u) / tau``."""
        return u + (x - u) / self.tau


@MODELS.register_module()
class IFNode(Node):
    """Integrate and fire without a leak: ``u <- u + x``.

    Args:
        threshold: The membrane fires above it.
        act_fun: Surrogate gradient; :class:`AtanGrad` by default.
        steps: Number of time steps.
    """

    def __init__(self, threshold: float = 0.5, act_fun: dict | None = None, steps: int = 1):
        super().__init__(threshold, act_fun or dict(type='AtanGrad'), steps)

    def charge(self, u: Tensor, x: Tensor) -> Tensor:
        """``u + x``."""
        return u + x


@MODELS.register_module()
class PLIFNode(Node):
    """Leaky integrate and fire with a leak that is learned: ``u <- u + (x - u) sigmoid(w)``.

    "Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking Neural Networks" (ICCV 2021).

    Args:
        threshold: The membrane fires above it.
        tau: First time constant, more than 1; ``w`` starts at ``-ln(tau - 1)``.
        act_fun: Surrogate gradient; by default :class:`AtanGrad`, its alpha trained.
        steps: Number of time steps.
    """

    def __init__(self, threshold: float = 1.0, tau: float = 2.0, act_fun: dict | None = None, steps: int = 1):
        super().__init__(threshold, act_fun or dict(type='AtanGrad', trainable=True), steps)
        if tau <= 1:
            raise ConfigError(f'PLIFNode.tau is {tau}; it must be more than 1')
        self.w = nn.Parameter(torch.tensor(-math.log(tau - 1)))

    def charge(self, u: Tensor, x: Tensor) -> Tensor:
        """``u + (x - u) sigmoid(w)``."""
        return u + (x - u) * self.w.sigmoid()
