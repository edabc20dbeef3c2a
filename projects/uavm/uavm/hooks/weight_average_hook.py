"""The mean of the weights of several epochs."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from avmm.engine.checkpoint import save_checkpoint
from avmm.registry import HOOKS
from avmm.utils import ConfigError
from projects.uavm.uavm.evaluation.ensemble import WeightMean

#: Values of ``wa_result.csv``.
COLUMNS = ('mAP/joint', 'AUC/joint', 'middle_precision/joint', 'middle_recall/joint', 'd_prime/joint')


@HOOKS.register_module()
class WeightAverageHook(Hook):
    """Averages the weights after the epochs ``start`` to ``end``, as the extractor of UAVM does, and validates them.

    The mean is kept while training runs, so no checkpoint is read again. In the end it is written to
    ``weight_average.pth`` and its values to ``wa_result.csv``; the model goes on with the weights that it had.

    Args:
        start: First epoch, from 1.
        end: Last epoch.
        columns: Values of the file.
        percent: Names before the slash of the values that are divided by 100.
    """

    # Before the checkpoint of the epoch is written.
    priority = 'ABOVE_NORMAL'

    def __init__(self, start: int, end: int, columns: tuple[str, ...] = COLUMNS,
                 percent: tuple[str, ...] = ('accuracy', 'mAP')):
        if not 1 <= start <= end:
            raise ConfigError(f'WeightAverageHook averages the epochs start to end, counted from 1; got {start}-{end}')
        self.start, self.end, self.columns, self.percent = start, end, tuple(columns), tuple(percent)
        self.mean = WeightMean()

    def before_train(self, runner) -> None:
        """Refuse an average that training never reaches."""
        if self.end > runner.max_epochs:
            raise ConfigError(f'WeightAverageHook: the average ends at epoch {self.end}, training at '
                              f'{runner.max_epochs}')

    def after_train_epoch(self, runner) -> None:
        """Take the weights of the epoch in."""
        if self.start <= runner.epoch + 1 <= self.end:
            self.mean.add(_bare(runner.model).state_dict())

    def after_train(self, runner) -> None:
        """Write and validate the mean."""
        if self.mean.count == 0:
            return
        mean, model = self.mean.mean(), _bare(runner.model)
        if is_main_process():
            save_checkpoint(dict(meta=dict(epochs=[self.start, self.end]), state_dict=mean),
                            os.path.join(runner.work_dir, 'weight_average.pth'))
        if runner.val_loop is None:
            return
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(mean)
        try:
            values = self._validate(runner)
        finally:
            model.load_state_dict(own)
        missing = [name for name in self.columns if name not in values]
        if missing:
            raise ConfigError(f'WeightAverageHook: no value {missing[0]!r}; the validation gives {", ".join(values)}')
        row = [values[name] / (100 if name.split('/')[0] in self.percent else 1) for name in self.columns]
        if is_main_process():
            np.savetxt(Path(runner.work_dir, 'wa_result.csv'), row, delimiter=',')
        shown = ', '.join(f'{name} {values[name]:.4f}' for name in self.columns)
        runner.logger.info(f'mean of the weights of epochs {self.start} to {self.end}: {shown}')

    @torch.no_grad()
    def _validate(self, runner) -> dict[str, float]:
        """As the loop of validation, without hooks: these are not the values of an epoch."""
        training = runner.model.training
        runner.model.eval()
        loop = runner.val_loop
        for batch in loop.dataloader:
            loop.evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
        runner.model.train(training)
        return loop.evaluator.evaluate(len(loop.dataloader.dataset))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the sum while it grows."""
        if self.mean.count:
            checkpoint['weight_average'] = dict(count=self.mean.count, total=dict(self.mean.total))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take it back, in a run that goes on."""
        state = checkpoint.get('weight_average')
        if state is not None and runner._resume:
            self.mean = WeightMean(state['count'], {n: v.cpu() for n, v in state['total'].items()})


def _bare(model):
    return model.module if is_model_wrapper(model) else model
