"""Balancing methods that add noise to the gradients they scale."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from avmm.balancing.base import BalancingHook
from avmm.balancing.noise import NoiseSource, tensor_stds
from avmm.utils import ConfigError


class NoisyBalancingHook(BalancingHook):
    """Base of methods that edit a gradient as ``g = k * g + n``, ``n ~ N(0, (std(g) + 1e-8)^2)``.

    The standard deviation is the unbiased one over all elements of a tensor, before it is scaled. The noise depends on
    the seed, the name of the hook and the number of the update alone: it is the same on all ranks, and a resumed run
    draws what the undisturbed one drew.

    Args:
        noise_scale: Factor of the noise; 1 as published, 0 for none.
        seed: Seed of the noise; that of the run by default.
        noise_source: ``noise_source(name, gradient) -> standard normal tensor`` of the shape of the gradient, in place
            of the generator; for comparisons with recorded noise.
        **options: Those of :class:`BalancingHook`, or of the method that this class is combined with.
    """

    def __init__(self, noise_scale: float = 1.0, seed: int | None = None,
                 noise_source: Callable[[str, Tensor], Tensor] | None = None, **options):
        super().__init__(**options)
        if noise_scale < 0:
            raise ConfigError(f'{self.name}.noise_scale is {noise_scale}; it must be 0 or more')
        self.noise_scale = noise_scale
        self.noise = NoiseSource(0 if seed is None else seed, self.name)
        self.noise_source = noise_source
        self._seed_of_run = seed is None

    def before_run(self, runner) -> None:
        """Take the seed of the run into what is remembered of its start."""
        if self._seed_of_run:
            self.noise.seed = runner.seed
        super().before_run(runner)

    def before_train(self, runner) -> None:
        """Take the seed of the run, unless the config or the checkpoint gives one."""
        if self._seed_of_run:
            self.noise.seed = runner.seed
        super().before_train(runner)

    def before_update(self) -> None:
        """Begin the noise of the update."""
        self.noise.start_step()

    def edit_gradients(self, key: str, names: list[str], grads: list[Tensor], coefficient: Tensor,
                       loss_scale: Tensor | float) -> None:
        """``g <- k * g + noise_scale * N(0, std(g) + 1e-8)`` in place, tensor by tensor."""
        if not self.noise_scale:
            super().edit_gradients(key, names, grads, coefficient, loss_scale)
            return
        stds = tensor_stds(grads)
        # Where gradients are still multiplied by the scale of the loss, so must be what is added to them.
        torch._foreach_add_(stds, 1e-8 * loss_scale)
        if self.noise_scale != 1:
            torch._foreach_mul_(stds, self.noise_scale)
        for name, grad, std in zip(names, grads, stds, strict=True):
            # Scaling the noise while it is in the cache leaves one pass over the gradient.
            for piece, noise in self._drawn(name, grad):
                torch.addcmul(noise.mul_(std), piece, coefficient, out=piece)

    def state_dict(self) -> dict:
        """Seed and number of updates of the noise."""
        return {'noise': self.noise.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Continue the noise where ``state`` was taken."""
        self.noise.load_state_dict(state['noise'])
        self._seed_of_run = False

    def _drawn(self, name: str, grad: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        if self.noise_source is None:
            return self.noise.pieces(grad)
        return [(grad, self.noise_source(name, grad).clone())]
