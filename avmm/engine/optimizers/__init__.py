import torch

from avmm.engine.optimizers.amp_optim_wrapper import AmpOptimWrapper
from avmm.engine.optimizers.dims_decay_constructor import DimsDecayConstructor
from avmm.engine.optimizers.mslr_constructor import MSLRConstructor
from avmm.engine.optimizers.optim_wrapper import OptimWrapper
from avmm.engine.optimizers.sam_optim_wrapper import SAMOptimWrapper
from avmm.registry import OPTIMIZERS

# mmengine leaves this name to another package, whether that is installed or not.
OPTIMIZERS.register_module(name='Adafactor', module=torch.optim.Adafactor)

__all__ = ['AmpOptimWrapper', 'DimsDecayConstructor', 'MSLRConstructor', 'OptimWrapper', 'SAMOptimWrapper']
