"""Training by epochs."""
from __future__ import annotations

import bisect

from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from avmm.engine.loops.base import ResumableLoop
from avmm.registry import LOOPS


@LOOPS.register_module()
class EpochTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """mmengine's epoch loop, which can also go on inside an epoch.

    Args:
        runner: The runner.
        dataloader: Data loader or its config.
        max_epochs: Number of epochs.
        val_begin: First epoch after which to validate.
        val_interval: Epochs between two validations; the last epoch is followed by one in any case.
        dynamic_intervals: ``[(epoch, interval), ...]``, other intervals from given epochs on.
    """

    def run(self) -> nn.Module:
        """Train until the last epoch, or until a hook sets ``stop_training``."""
        runner = self.runner
        runner.call_hook('before_train')
        self._validate_if_pending()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if self.validation_due(self._epoch, self._iter, self.consumed):
                self.validate()
        runner.call_hook('after_train')
        return runner.model

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        runner = self.runner
        runner.call_hook('before_train_epoch')
        runner.model.train()
        for idx, data_batch in enumerate(self.batches(self._epoch), start=self.consumed):
            self.run_iter(idx, data_batch)
        # A checkpoint of this hook belongs to the start of the next epoch.
        self.consumed = 0
        self.resumed_in_epoch = False
        runner.call_hook('after_data_epoch')
        runner.call_hook('after_train_epoch')
        self._epoch += 1
        if runner.stop_signal is not None and self._epoch < self._max_epochs:
            self._stop_at_signal()

    def validation_due(self, epoch: int, iteration: int, consumed: int) -> bool:
        """Whether validation follows ``epoch`` complete epochs."""
        if self.runner.val_loop is None or epoch < self.val_begin or consumed:
            return False
        interval = self.dynamic_intervals[bisect.bisect(self.dynamic_milestones, epoch + 1) - 1]
        return epoch % interval == 0 or epoch == self._max_epochs
