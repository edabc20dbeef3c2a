"""The mean of the predictions of all epochs."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from avmm.registry import HOOKS
from avmm.utils import ConfigError, DataError
from projects.uavm.uavm.evaluation.ensemble import RunningMean
from projects.uavm.uavm.evaluation.metric import UAVMStatistics
from projects.uavm.uavm.evaluation.statistics import class_statistics


@HOOKS.register_module()
class PredictionEnsembleHook(Hook):
    r"""Averages the predictions of the epochs and measures the mean, as the extractor of UAVM logs it.

    After epoch e the mean is :math:`c_e = ((e - 1) c_{e-1} + p_e) / e`. It adds ``accuracy/ensemble``,
    ``mAP/ensemble`` and ``AUC/ensemble`` to the values of the validation, whose metric is
    ``UAVMStatistics(keep=True)``. The folder has ``target.npy``, the mean in ``mean.npz`` and, with ``keep_all``, the
    predictions of each epoch in ``predictions_<epoch>.npy``: binary, where the reference writes and reads text.

    Args:
        keep_all: Whether the predictions of every epoch are written.
        fp16_scores: Whether scores are rounded to half precision, as the published program has them on a GPU.
        folder: Folder in the work directory.
    """

    # Before the hooks that write values.
    priority = 'ABOVE_NORMAL'

    def __init__(self, keep_all: bool = False, fp16_scores: bool = False, folder: str = 'predictions'):
        self.keep_all, self.fp16_scores, self.folder = keep_all, fp16_scores, folder
        self.mean = RunningMean()

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Take the epoch in; the values join those of the validation."""
        metric = next((m for m in runner.val_evaluator.metrics if isinstance(m, UAVMStatistics) and m.keep), None)
        if metric is None:
            raise ConfigError('PredictionEnsembleHook needs val_evaluator=dict(type="UAVMStatistics", keep=True)')
        if metrics is None or not is_main_process():
            return
        scores, targets = metric.latest
        scores = np.asarray(scores, np.float16 if self.fp16_scores else np.float32)
        folder = Path(runner.work_dir, self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        epoch = runner.epoch
        if self.mean.count != epoch - 1:
            self._take_back(folder, epoch - 1)
        found = class_statistics(self.mean.add(scores), targets)
        metrics.update({'accuracy/ensemble': 100 * found.acc, 'mAP/ensemble': 100 * found.mAP,
                        'AUC/ensemble': found.mAUC})
        if epoch == 1:
            _save(folder / 'target.npy', lambda file: np.save(file, targets))
        if self.keep_all:
            _save(folder / f'predictions_{epoch}.npy', lambda file: np.save(file, scores))
        # Two generations: a run that is resumed before its last validation still finds the mean that it had then.
        if (folder / 'mean.npz').is_file():
            os.replace(folder / 'mean.npz', folder / 'previous.npz')
        _save(folder / 'mean.npz', lambda file: np.savez(file, count=self.mean.count, value=self.mean.value))

    def _take_back(self, folder: Path, epochs: int) -> None:
        """The mean of the first epochs, in a run that goes on.

        Raises:
            DataError: If it is not there.
        """
        self.mean = RunningMean()
        if epochs <= 0:
            return
        for name in ('mean.npz', 'previous.npz'):
            if (folder / name).is_file():
                with np.load(folder / name, allow_pickle=False) as saved:
                    if int(saved['count']) == epochs:
                        self.mean = RunningMean(epochs, saved['value'])
                        return
        files = [folder / f'predictions_{e}.npy' for e in range(1, epochs + 1)]
        if not all(file.is_file() for file in files):
            raise DataError(f'{folder}: the predictions of the first {epochs} epochs are not there; resume in the '
                            'work directory of the run, or validate from the first epoch on')
        for file in files:
            self.mean.add(np.load(file, allow_pickle=False))


def _save(path: Path, write) -> None:
    unfinished = path.with_name(f'.{path.name}.part')
    with open(unfinished, 'wb') as file:
        write(file)
    os.replace(unfinished, path)
