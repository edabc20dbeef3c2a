"""A row of numbers for each epoch, in the columns of the published files."""
from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce, master_only
from mmengine.hooks import Hook

from avmm.registry import HOOKS
from avmm.utils import ConfigError

#: Columns of the models on features: accuracy, mAP and area of audio, of video and of both, and the learning rate.
FEATURE_COLUMNS = (*(f'{value}/{name}' for name in ('audio', 'visual', 'joint')
                     for value in ('accuracy', 'mAP', 'AUC')), 'lr')


@HOOKS.register_module()
class ResultTableHook(Hook):
    """Writes ``result.csv``: a row for each epoch, zeros for those to come, after each validation.

    A column is a value of the validation, ``'lr'`` (the rate used in the epoch) or ``'train_loss'`` (the mean over its
    samples). What is measured in per cent is written as a share.

    Args:
        columns: What the columns hold. Defaults to those of UAVM: accuracy, mAP and area of audio, video and both,
            and the learning rate.
        percent: Names before the slash of the values that are divided by 100.
        filename: Name of the file in the work directory.
    """

    # Sees the rate before the schedule changes it, and the values after other hooks have added theirs.
    priority = 'BELOW_NORMAL'

    def __init__(self, columns: Sequence[str] = FEATURE_COLUMNS, percent: Sequence[str] = ('accuracy', 'mAP'),
                 filename: str = 'result.csv'):
        if not columns:
            raise ConfigError('ResultTableHook needs columns')
        self.columns, self.percent, self.filename = tuple(columns), tuple(percent), filename
        self.rows: dict[int, list[float]] = {}
        self._lr, self._losses, self._samples = 0.0, None, 0

    def before_train_epoch(self, runner) -> None:
        """Begin the mean of the loss, unless a run goes on inside the epoch."""
        if not getattr(runner.train_loop, 'resumed_in_epoch', False):
            self._losses, self._samples = None, 0

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Add the loss of the batch, on its device."""
        if 'train_loss' not in self.columns or not outputs or 'loss' not in outputs:
            return
        size = len(data_batch['data_samples'])
        loss = torch.as_tensor(outputs['loss']).detach().double() * size
        self._losses = loss if self._losses is None else self._losses + loss
        self._samples += size

    def after_train_epoch(self, runner) -> None:
        """Note the rate of the epoch."""
        self._lr = float(runner.optim_wrapper.param_groups[0]['lr'])

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Add the row of the epoch and write the file."""
        if metrics is None or runner.train_loop is None:
            return
        known = {**metrics, 'lr': self._lr}
        if 'train_loss' in self.columns:
            known['train_loss'] = self._mean_loss()
        missing = [name for name in self.columns if name not in known]
        if missing:
            raise ConfigError(f'ResultTableHook: no value {missing[0]!r}; the validation gives {", ".join(metrics)}')
        self.rows[runner.epoch - 1] = [
            float(known[name]) / (100 if name.split('/')[0] in self.percent else 1) for name in self.columns]
        self._write(runner)

    def _mean_loss(self) -> float:
        sums = torch.tensor([0.0 if self._losses is None else float(self._losses), self._samples], dtype=torch.float64)
        all_reduce(sums)
        return float(sums[0] / sums[1]) if sums[1] else math.nan

    def table(self, epochs: int) -> np.ndarray:
        """``(epochs, columns)``, zeros where an epoch is yet to come."""
        table = np.zeros((epochs, len(self.columns)))
        for epoch, row in self.rows.items():
            if epoch < epochs:
                table[epoch] = row
        return table

    @master_only
    def _write(self, runner) -> None:
        path = Path(runner.work_dir, self.filename)
        unfinished = path.with_name(f'.{path.name}.part')
        np.savetxt(unfinished, self.table(runner.max_epochs), delimiter=',')
        os.replace(unfinished, path)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the rows, and what is known of the epoch."""
        checkpoint.setdefault('result_table', {})[self.filename] = dict(
            rows=dict(self.rows), lr=self._lr, samples=self._samples,
            loss=None if self._losses is None else float(self._losses))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take them back, in a run that goes on."""
        state = checkpoint.get('result_table', {}).get(self.filename)
        if state is not None and runner._resume:
            self.rows = dict(state['rows'])
            self._lr, self._samples = state['lr'], state['samples']
            self._losses = None if state['loss'] is None else torch.tensor(state['loss'], dtype=torch.float64)
