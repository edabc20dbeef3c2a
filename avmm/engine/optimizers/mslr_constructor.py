"""A learning rate for each modality."""
from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from avmm.registry import OPTIM_WRAPPER_CONSTRUCTORS
from avmm.utils import ConfigError


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MSLRConstructor(DefaultOptimWrapperConstructor):
    """Modality-specific learning rates: parameters of branch ``m`` learn at ``lr * lr_mult[m]``.

    "Modality-specific Learning Rates for Effective Multimodal Additive Late-fusion" (Findings of ACL 2022), with
    constant rates. Parameters outside of the branches, such as those of the fusion, keep the rate of the optimiser.
    Schedules that multiply the rate keep the proportions; those that end at a given rate (``eta_min``) do not.

    Some programs scale the gradients of a branch by ``c`` instead. **The two are the same under SGD**, with momentum,
    Nesterov or not, if the weight decay of the branch is divided by ``c``: a rate ``c * lr`` multiplies the decay as
    well, which a scaled gradient leaves as it is. ``keep_decay=True`` does that. They are not the same under Adam and
    its kin, whose update hardly depends on the scale of the gradient: there a rate is what slows a modality.

    Args:
        optim_wrapper_cfg: Config of the wrapper and its optimiser.
        paramwise_cfg: ``lr_mult``, ``{modality: factor}``, a modality that is not named keeps 1; ``keep_decay``,
            whether ``lr * weight_decay`` stays what it is without the factors (False by default). All other keys are
            those of mmengine's ``DefaultOptimWrapperConstructor`` and are applied first.

    Raises:
        ConfigError: If a modality is unknown, a factor is negative, or the decay cannot be kept at a rate of 0.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='MSLRConstructor',
        ...     paramwise_cfg=dict(lr_mult=dict(audio=0.9, visual=1.1), keep_decay=True),
        ...     optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=5e-4))
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        paramwise_cfg = dict(paramwise_cfg or {})
        self.lr_mult: dict[str, float] = dict(paramwise_cfg.pop('lr_mult', {}))
        self.keep_decay = bool(paramwise_cfg.pop('keep_decay', False))
        if not self.lr_mult:
            raise ConfigError('MSLRConstructor needs factors, as in paramwise_cfg=dict(lr_mult=dict(audio=0.9))')
        for modality, factor in self.lr_mult.items():
            if factor < 0 or (factor == 0 and self.keep_decay):
                raise ConfigError(f'MSLRConstructor: lr_mult of {modality!r} is {factor}; '
                                  f'it must be {"more than 0 with keep_decay" if factor == 0 else "0 or more"}')
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        # mmengine leaves the groups alone if it is given no option of its own.
        self.paramwise_cfg = {**self.paramwise_cfg, 'lr_mult': self.lr_mult}

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the wrapper for ``model``, an :class:`~avmm.models.base.AVModel`."""
        while is_model_wrapper(model):
            model = model.module
        modalities = getattr(model, 'modalities', ())
        unknown = [m for m in self.lr_mult if m not in modalities]
        if unknown:
            raise ConfigError(f'MSLRConstructor: lr_mult names {unknown}, {type(model).__name__} has the modalities '
                              f'{list(modalities)}')
        if self.base_lr is None:
            raise ConfigError('MSLRConstructor needs the learning rate of the optimiser, as in '
                              "optimizer=dict(type='SGD', lr=0.01)")
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module=None) -> None:
        """Group the parameters as mmengine does, apply the factors, and join groups of equal settings."""
        super().add_params(params, module, prefix, is_dcn_module)
        # mmengine calls this for every part of the model, and for the whole, which alone has no prefix.
        if not prefix:
            factor = {id(p): self.lr_mult[m] for m in self.lr_mult for p in module.branch(m).parameters()}
            for group in params:
                self._scale(group, factor.get(id(group['params'][0]), 1.0))
            params[:] = join_groups(params)

    def _scale(self, group: dict, factor: float) -> None:
        if factor == 1:
            return
        group['lr'] = group.get('lr', self.base_lr) * factor
        decay = group.get('weight_decay', self.base_wd)
        if self.keep_decay and decay is not None:
            group['weight_decay'] = decay / factor


def join_groups(groups: list[dict]) -> list[dict]:
    """Join parameter groups that differ in their parameters alone: an optimiser works group by group."""
    joined: dict[str, dict] = {}
    for group in groups:
        settings = {k: v for k, v in group.items() if k != 'params'}
        key = repr(sorted(settings.items()))
        joined.setdefault(key, dict(settings, params=[]))['params'].extend(group['params'])
    return list(joined.values())
