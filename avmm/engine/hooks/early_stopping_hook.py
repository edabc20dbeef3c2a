"""Early stopping that a resume does not start over."""
from __future__ import annotations

from mmengine.hooks import EarlyStoppingHook as _EarlyStoppingHook

from avmm.registry import HOOKS


@HOOKS.register_module()
class EarlyStoppingHook(_EarlyStoppingHook):
    """mmengine's hook, whose count of validations without progress is kept in checkpoints.

    Takes the arguments of ``mmengine.hooks.EarlyStoppingHook``.
    """

    # Before the checkpoint hook, which may save after a validation.
    priority = 'LOW'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the count and the best score."""
        checkpoint.setdefault('early_stopping', {})[self.monitor] = [self.wait_count, float(self.best_score)]

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take them back."""
        state = checkpoint.get('early_stopping', {}).get(self.monitor)
        if state is not None and runner._resume:
            self.wait_count, self.best_score = state
