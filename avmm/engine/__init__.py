from avmm.engine.checkpoint import load_checkpoint, load_state_dict, save_checkpoint
from avmm.engine.distributed import AVDistributedDataParallel, init_distributed

__all__ = ['AVDistributedDataParallel', 'init_distributed', 'load_checkpoint', 'load_state_dict', 'save_checkpoint']
