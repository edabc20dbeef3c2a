"""On-the-fly gradient modulation with generalisation enhancement."""
from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from avmm.balancing.noisy import NoisyBalancingHook
from avmm.balancing.ogm import OGM
from avmm.registry import HOOKS


@HOOKS.register_module()
class OGMGE(NoisyBalancingHook, OGM):
    """OGM, with noise that gives back the gradient noise which the modulation takes away.

    "Balanced Multimodal Learning via On-the-fly Gradient Modulation" (CVPR 2022), its generalisation enhancement::

        g = k_m * g + n,    n ~ N(0, (std(g) + 1e-8)^2)

    with ``k_m`` and the parameters of :class:`OGM`. As in the published code every modality gets noise, also the one
    with ``k_m = 1``. See :class:`NoisyBalancingHook` for what the noise depends on.

    Args:
        alpha: Strength of the modulation.
        starts: First epoch with modulation, counted from 0.
        ends: Last epoch with modulation, itself included; None for all.
        noise_scale: Factor of the noise; 1 as published, 0 for none.
        seed: Seed of the noise; that of the run by default.
        noise_source: Noise from elsewhere, as in :class:`NoisyBalancingHook`.
        **options: ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`.

    Example:
        >>> custom_hooks = [dict(type='OGMGE', alpha=0.1, ends=50)]
    """

    def __init__(self, alpha: float = 0.8, starts: int = 0, ends: int | None = 50, noise_scale: float = 1.0,
                 seed: int | None = None, noise_source: Callable[[str, Tensor], Tensor] | None = None, **options):
        super().__init__(alpha=alpha, starts=starts, ends=ends, noise_scale=noise_scale, seed=seed,
                         noise_source=noise_source, **options)
