"""Which parameters a balancing method acts on, and which models it cannot act on."""
from __future__ import annotations

import re
from collections.abc import Sequence

from mmengine.model import is_model_wrapper
from torch import nn

from avmm.models.base import AVModel
from avmm.utils import ConfigError

NamedParameters = list[tuple[str, nn.Parameter]]


def select_parameters(model: nn.Module, module: nn.Module, dims: Sequence[int] | None = None,
                      pattern: str | None = None) -> NamedParameters:
    """Parameters of ``module``, under their names in ``model``.

    Args:
        model: The model, whose names are used.
        module: The part of it to choose from.
        dims: Numbers of dimensions to keep; ``(4,)`` keeps the weights of 2-D convolutions. None keeps all.
        pattern: Regular expression that has to be found in the name inside ``module``. None keeps all.
    """
    inside = {id(p): name for name, p in module.named_parameters()}
    wanted = None if pattern is None else re.compile(pattern)
    return [(name, p) for name, p in model.named_parameters()
            if id(p) in inside and (dims is None or p.ndim in dims)
            and (wanted is None or wanted.search(inside[id(p)]))]


def balanced_model(model: nn.Module, method: str) -> AVModel:
    """The model inside its wrappers, once it is known that a balancing method can act on it.

    Raises:
        ConfigError: If the parameters are sharded or the model does not follow the protocol.
    """
    if _is_sharded(model):
        raise ConfigError(f'{method} acts on whole parameters, and this model is sharded by FSDP; '
                          'leave model_wrapper_cfg out of the config, then each rank keeps a whole copy')
    while is_model_wrapper(model):
        model = model.module
    if not isinstance(model, AVModel):
        raise ConfigError(f'{method} needs a model that follows avmm.models.AVModel, {type(model).__name__} does not')
    return model


def _is_sharded(model: nn.Module) -> bool:
    # Both generations of FSDP; imported here because the import takes a while and few models need it.
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.tensor import DTensor
    return (any(isinstance(module, FullyShardedDataParallel) for module in model.modules())
            or any(isinstance(p, DTensor) for p in model.parameters()))
