"""Warm-up of the learning rate in steps."""
from __future__ import annotations

from mmengine.hooks import Hook

from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class SteppedWarmupHook(Hook):
    """The warm-up of the audio extractor of UAVM (and of PSLA, Gong et al., 2021).

    An iteration counts ``int(batch_size / 10)``. As long as the count is at most ``length``, the rate becomes
    ``count / length`` of the base rate whenever the count is a multiple of ``step``. With the published batch of 120
    it is 0, 0.3, 0.6 and 0.9 of the base rate from the iterations 0, 25, 50 and 75 on, and stays at 0.9: 1000 is no
    multiple of 12. Batches of less than 10 never leave 0. Schedules that multiply the rate act on what this leaves.

    Args:
        batch_size: Samples of an iteration over all ranks.
        length: Count at which the base rate is reached.
        step: Distance of the counts at which the rate changes.
        linear: Raise the rate in every iteration and reach the base rate, whatever the batch size.
    """

    # Before schedules and before the log.
    priority = 'HIGH'

    def __init__(self, batch_size: int = 120, length: int = 1000, step: int = 50, linear: bool = False):
        if min(batch_size, length, step) < 1:
            raise ConfigError('SteppedWarmupHook: batch_size, length and step must be at least 1, got '
                              f'{batch_size}, {length} and {step}')
        self.batch_size, self.length, self.step, self.linear = batch_size, length, step, linear

    def factor(self, iteration: int) -> float | None:
        """Share of the base rate that is set at an iteration; None where the rate is left alone."""
        if self.linear:
            seen, wanted = iteration * self.batch_size, 10 * self.length
            # The first iteration past the end reaches the base rate.
            return min(1.0, seen / wanted) if seen - self.batch_size < wanted else None
        count = iteration * int(self.batch_size / 10)
        return count / self.length if count <= self.length and count % self.step == 0 else None

    def before_train(self, runner) -> None:
        """Note the base rates; a resumed optimiser has them."""
        for group in runner.optim_wrapper.param_groups:
            group.setdefault('initial_lr', group['lr'])

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Set the rate."""
        factor = self.factor(runner.iter)
        if factor is not None:
            for group in runner.optim_wrapper.param_groups:
                group['lr'] = factor * group['initial_lr']
