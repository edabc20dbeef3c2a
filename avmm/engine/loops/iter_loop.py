"""Training by iterations."""
from __future__ import annotations

import bisect

from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals
from torch import nn

from avmm.engine.loops.base import ResumableLoop
from avmm.registry import LOOPS
from avmm.utils import ConfigError


@LOOPS.register_module()
class IterTrainLoop(ResumableLoop, IterBasedTrainLoop):
    """A fixed number of iterations, over the same sampler as the epoch loop, pass after pass.

    Args:
        runner: The runner.
        dataloader: Data loader or its config.
        max_iters: Number of iterations.
        val_begin: First iteration after which to validate.
        val_interval: Iterations between two validations; the last iteration is followed by one in any case.
        dynamic_intervals: ``[(iteration, interval), ...]``, other intervals from given iterations on.
    """

    def __init__(self, runner, dataloader, max_iters: int, val_begin: int = 1, val_interval: int = 1000,
                 dynamic_intervals: list[tuple[int, int]] | None = None):
        # The parent would start the workers here, before it is known where the run goes on.
        BaseLoop.__init__(self, runner, dataloader)
        if max_iters != int(max_iters):
            raise ConfigError(f'max_iters must be an integer, got {max_iters}')
        if len(self.dataloader) == 0:
            raise ConfigError('the training data loader has no batch: fewer samples than batch_size with drop_last?')
        self._max_iters = int(max_iters)
        self._max_epochs = 1
        self._epoch = self._iter = 0
        self.data_epoch = 0
        self.val_begin, self.val_interval = val_begin, val_interval
        self.stop_training = False
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(val_interval, dynamic_intervals)

    def run(self) -> nn.Module:
        """Train until the last iteration, or until a hook sets ``stop_training``."""
        runner = self.runner
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        runner.model.train()
        self._validate_if_pending()
        while self._iter < self._max_iters and not self.stop_training:
            self._run_pass()
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def _run_pass(self) -> None:
        """Go over the data once, or until the end."""
        for data_batch in self.batches(self.data_epoch):
            self.run_iter(self._iter, data_batch)
            self._decide_current_val_interval()
            if self.validation_due(self._epoch, self._iter, self.consumed):
                self.validate()
            if self._iter >= self._max_iters or self.stop_training:
                return
        self.data_epoch += 1
        self.consumed = 0
        self.resumed_in_epoch = False
        self.runner.call_hook('after_data_epoch')

    def state_dict(self, epoch: int, iteration: int, consumed: int) -> dict:
        """Place of the loop, with the number of complete passes."""
        return dict(super().state_dict(epoch, iteration, consumed), data_epoch=self.data_epoch)

    def load_state_dict(self, state: dict, rng_state: dict | None) -> None:
        """Go to the place of :meth:`state_dict`."""
        super().load_state_dict(state, rng_state)
        self.data_epoch = state['data_epoch']
        if self.consumed >= len(self.dataloader):
            self.data_epoch += 1
            self.consumed = 0

    def validation_due(self, epoch: int, iteration: int, consumed: int) -> bool:
        """Whether validation follows ``iteration`` complete iterations."""
        if self.runner.val_loop is None or iteration < self.val_begin:
            return False
        interval = self.dynamic_intervals[bisect.bisect(self.dynamic_milestones, iteration + 1) - 1]
        return iteration % interval == 0 or iteration == self._max_iters
