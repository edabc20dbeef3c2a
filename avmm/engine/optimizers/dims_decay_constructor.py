"""Weight decay by the number of dimensions of a parameter."""
from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from avmm.engine.optimizers.mslr_constructor import join_groups
from avmm.registry import OPTIM_WRAPPER_CONSTRUCTORS
from avmm.utils import ConfigError


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DimsDecayConstructor(DefaultOptimWrapperConstructor):
    """Weight decay for matrices and kernels alone: biases and the scales of normalisations have none.

    It is the usual rule of image models ("Bag of Tricks for Image Classification with Convolutional Neural Networks",
    CVPR 2019, section 3.1). Frozen parameters are left out, and the groups are two, so that the optimiser works on all
    tensors of a kind at once.

    Args:
        optim_wrapper_cfg: Config of the wrapper and its optimiser.
        paramwise_cfg: ``decay_dims``, the least number of dimensions with decay (2 by default). All other keys are
            those of mmengine's ``DefaultOptimWrapperConstructor`` and are applied first.

    Raises:
        ConfigError: If ``decay_dims`` is not positive.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='DimsDecayConstructor',
        ...     optimizer=dict(type='SGD', lr=5e-3, momentum=0.9, nesterov=True, weight_decay=5e-4))
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        paramwise_cfg = dict(paramwise_cfg or {})
        self.decay_dims = int(paramwise_cfg.pop('decay_dims', 2))
        if self.decay_dims < 1:
            raise ConfigError(f'DimsDecayConstructor: decay_dims is {self.decay_dims}; it must be 1 or more')
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        # mmengine leaves the groups alone if it is given no option of its own.
        self.paramwise_cfg = {**self.paramwise_cfg, 'decay_dims': self.decay_dims}

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module=None) -> None:
        """Group the parameters as mmengine does, take the decay of some away, and join groups of equal settings."""
        if set(self.paramwise_cfg) == {'decay_dims'}:
            # mmengine would warn of every frozen parameter, which some models have by design.
            params.extend(dict(params=[p]) for p in module.parameters() if p.requires_grad)
        else:
            super().add_params(params, module, prefix, is_dcn_module)
        # mmengine calls this for every part of the model, and for the whole, which alone has no prefix.
        if not prefix:
            kept = [group for group in params if group['params'][0].requires_grad]
            for group in kept:
                if group['params'][0].ndim < self.decay_dims:
                    group['weight_decay'] = 0.0
            params[:] = join_groups(kept)
