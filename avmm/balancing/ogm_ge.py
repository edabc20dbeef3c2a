"""On-the-fly gradient modulation with generalisation enhancement."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from avmm.balancing.noise import NoiseSource, tensor_stds
from avmm.balancing.ogm import OGM
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class OGMGE(OGM):
    """OGM, with noise that gives back the gradient noise which the modulation takes away.

    "Balanced Multimodal Learning via On-the-fly Gradient Modulation" (CVPR 2022), its generalisation enhancement::

        g = k_m * g + n,    n ~ N(0, (std(g) + 1e-8)^2)

    with ``k_m`` of :class:`OGM` and the unbiased standard deviation of the gradient of each tensor before it is
    scaled. As in the published code every modality gets noise, also the one with ``k_m = 1``.

    The noise depends on the seed and the number of the update alone: it is the same on all ranks, and a resumed run
    draws what the undisturbed one drew.

    Args:
        alpha: Strength of the modulation.
        starts: First epoch with modulation, counted from 0.
        ends: Last epoch with modulation, itself included; None for all.
        noise_scale: Factor of the noise; 1 as published, 0 for none.
        seed: Seed of the noise; that of the run by default.
        noise_source: ``noise_source(name, gradient) -> standard normal tensor`` of the shape of the gradient, in place
            of the generator; for comparisons with recorded noise.
        **options: ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`.

    Example:
        >>> custom_hooks = [dict(type='OGMGE', alpha=0.1, ends=50)]
    """

    def __init__(self, alpha: float = 0.8, starts: int = 0, ends: int | None = 50, noise_scale: float = 1.0,
                 seed: int | None = None, noise_source: Callable[[str, Tensor], Tensor] | None = None, **options):
        super().__init__(alpha, starts, ends, **options)
        if noise_scale < 0:
            raise ConfigError(f'{self.name}.noise_scale is {noise_scale}; it must be 0 or more')
        self.noise_scale = noise_scale
        self.noise = NoiseSource(0 if seed is None else seed)
        self.noise_source = noise_source
        self._own_seed = seed is None

    def before_train(self, runner) -> None:
        """Take the seed of the run, unless the config or the checkpoint gives one."""
        if self._own_seed:
            self.noise.seed = runner.seed
        super().before_train(runner)

    def coefficients(self, scores: Tensor) -> dict[str, Tensor]:
        """``{modality: k_m}`` from the scores ``(M,)`` of the whole batch; begins the noise of the update."""
        self.noise.start_step()
        return super().coefficients(scores)

    def edit_gradients(self, key: str, names: list[str], grads: list[Tensor], coefficient: Tensor,
                       loss_scale: Tensor | float) -> None:
        """``g <- k * g + noise_scale * N(0, std(g) + 1e-8)`` in place, tensor by tensor."""
        if not self.noise_scale:
            super().edit_gradients(key, names, grads, coefficient, loss_scale)
            return
        stds = tensor_stds(grads)
        torch._foreach_add_(stds, 1e-8 * loss_scale)
        if self.noise_scale != 1:
            torch._foreach_mul_(stds, self.noise_scale)
        for name, grad, std in zip(names, grads, stds, strict=True):
            # Scaling the noise while it is in the cache leaves one pass over the gradient.
            for piece, noise in self._drawn(name, grad):
                torch.addcmul(noise.mul_(std), piece, coefficient, out=piece)

    def _drawn(self, name: str, grad: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        if self.noise_source is None:
            return self.noise.pieces(grad)
        return [(grad, self.noise_source(name, grad).clone())]

    def state_dict(self) -> dict:
        """Seed and number of updates of the noise."""
        return {'noise': self.noise.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Continue the noise where ``state`` was taken."""
        self.noise.load_state_dict(state['noise'])
        self._own_seed = False
