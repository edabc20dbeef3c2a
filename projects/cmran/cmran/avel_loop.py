"""The epoch loop of the AVE baselines."""
from __future__ import annotations

from avmm.engine.loops import EpochTrainLoop
from avmm.registry import LOOPS


@LOOPS.register_module()
class OffsetEpochTrainLoop(EpochTrainLoop):
    """Epoch loop that counts the epochs between two validations from the first one, not from the start.

    ``val_begin=1, val_interval=5`` validates after epochs 1, 6, 11 and so on, and after the last epoch only if it is
    one of them. Programs that count from zero and validate where ``epoch % 5 == 0`` do the same.

    Args:
        runner: The runner.
        dataloader: Data loader or its config.
        max_epochs: Number of epochs.
        val_begin: First epoch after which to validate.
        val_interval: Epochs between two validations.
    """

    def __init__(self, runner, dataloader, max_epochs: int, val_begin: int = 1, val_interval: int = 1):
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval)

    def validation_due(self, epoch: int, iteration: int, consumed: int) -> bool:
        """Whether validation follows ``epoch`` complete epochs."""
        if self.runner.val_loop is None or consumed or epoch < self.val_begin:
            return False
        return (epoch - self.val_begin) % self.val_interval == 0
