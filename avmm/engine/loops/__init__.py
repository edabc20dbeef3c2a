from avmm.engine.loops.epoch_loop import EpochTrainLoop
from avmm.engine.loops.iter_loop import IterTrainLoop

__all__ = ['EpochTrainLoop', 'IterTrainLoop']
