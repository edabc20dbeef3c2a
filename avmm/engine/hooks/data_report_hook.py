"""What data a run has seen, and what it could not read."""
from __future__ import annotations

from collections import Counter

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook

from avmm.registry import HOOKS


@HOOKS.register_module()
class DataReportHook(Hook):
    """Logs the fingerprint of every data set, and after each epoch how many samples had to be replaced.

    With ``on_error='skip'`` a data set gives another sample for one that cannot be read, and the meta field
    ``replaced`` of that sample says why. A data set of another policy costs nothing here.

    Args:
        examples: Number of different reasons to show.
    """

    priority = 'NORMAL'

    def __init__(self, examples: int = 3):
        self.examples = examples
        self._reasons: dict[str, Counter] = {'train': Counter(), 'val': Counter(), 'test': Counter()}
        self._active: dict[str, bool] = {}

    def before_train(self, runner) -> None:
        """Log the training data, and those of validation."""
        self._log_data(runner, 'train', runner.train_loop)
        if runner.val_loop is not None:
            self._log_data(runner, 'val', runner.val_loop)

    def before_val_epoch(self, runner) -> None:
        """Log the data of a validation that is not part of training."""
        if 'val' not in self._active:
            self._log_data(runner, 'val', runner.val_loop)

    def before_test_epoch(self, runner) -> None:
        """Log the data of a test."""
        self._log_data(runner, 'test', runner.test_loop)

    def _log_data(self, runner, mode: str, loop) -> None:
        dataset = loop.dataloader.dataset
        self._active[mode] = getattr(dataset, 'on_error', 'raise') == 'skip'
        if hasattr(dataset, 'fingerprint'):
            fingerprint = str(dataset.fingerprint())
            runner.logger.info(f'{mode} data: {type(dataset).__name__}, {len(dataset)} samples, '
                               f'fingerprint {fingerprint}')
            runner.message_hub.update_info(f'data/{mode}_fingerprint', fingerprint)

    def _after_iter(self, runner, batch_idx: int, data_batch=None, outputs=None, mode: str = 'train') -> None:
        if not self._active.get(mode) or not isinstance(data_batch, dict):
            return
        for sample in data_batch.get('data_samples') or ():
            reason = sample.get('replaced')
            if reason:
                self._reasons[mode][str(reason)] += 1

    def after_data_epoch(self, runner) -> None:
        """Report a pass over the training data."""
        self._report(runner, 'train')

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Report a validation."""
        self._report(runner, 'val')

    def after_test_epoch(self, runner, metrics=None) -> None:
        """Report a test."""
        self._report(runner, 'test')

    def _report(self, runner, mode: str) -> None:
        if not self._active.get(mode):
            return
        reasons: Counter = sum(all_gather_object(self._reasons[mode]), Counter())
        self._reasons[mode].clear()
        count = sum(reasons.values())
        runner.message_hub.update_scalar(f'{mode}/replaced_samples', count)
        if count:
            shown = '; '.join(f'{n} x {reason}' for reason, n in reasons.most_common(self.examples))
            more = f'; {len(reasons) - self.examples} more reasons' if len(reasons) > self.examples else ''
            runner.logger.warning(f'{mode}: {count} samples could not be read and were replaced: {shown}{more}')
