"""What the log knows about the run."""
from __future__ import annotations

from mmengine.hooks import RuntimeInfoHook as _RuntimeInfoHook

from avmm.registry import HOOKS


@HOOKS.register_module()
class RuntimeInfoHook(_RuntimeInfoHook):
    """mmengine's hook, which leaves the losses on their device and keeps statistics of each epoch.

    The scalars of an iteration cross to the host when the log is written, all at once.
    """

    def before_train_epoch(self, runner) -> None:
        """Begin the statistics of an epoch; those of an interrupted one go on."""
        super().before_train_epoch(runner)
        if not getattr(runner.train_loop, 'resumed_in_epoch', False):
            runner.message_hub.start_epoch('train')

    def before_val_epoch(self, runner) -> None:
        """Begin the statistics of a validation."""
        runner.message_hub.start_epoch('val')

    def before_test_epoch(self, runner) -> None:
        """Begin the statistics of a test."""
        runner.message_hub.start_epoch('test')
