"""What the two training loops share: an iteration, its faults, and the way back into an epoch."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.model import is_model_wrapper
from torch.utils.data import BatchSampler

from avmm.engine.rng import restore_rng_state
from avmm.engine.signals import Interrupted
from avmm.utils import NonFiniteLossError


class _BufferGuard:
    """A copy of the buffers of a model, so that a step can be undone that has only run forward.

    BatchNorm takes a batch into its statistics before anybody knows that the loss of that batch is not a number.
    """

    def __init__(self, model: torch.nn.Module):
        self.live = [b for b in model.buffers() if b.numel()]
        self.saved = [b.detach().clone() for b in self.live]
        floating = [(s, b) for s, b in zip(self.saved, self.live, strict=True) if b.is_floating_point()]
        self._groups = [list(zip(*g, strict=True)) for g in
                        (floating, [(s, b) for s, b in zip(self.saved, self.live, strict=True)
                                    if not b.is_floating_point()]) if g]

    @torch.no_grad()
    def keep(self) -> None:
        """Copy what the buffers hold now."""
        for saved, live in self._groups:
            torch._foreach_copy_(saved, live)

    @torch.no_grad()
    def restore(self) -> None:
        """Put back what was kept."""
        for saved, live in self._groups:
            torch._foreach_copy_(live, saved)


class ResumableLoop:
    """Mixin of a training loop that goes on exactly where a checkpoint was written.

    The number of batches *consumed* in the epoch tells the place: workers fetch ahead, so the sampler does not know.
    """

    #: Batches of the current pass over the data that were trained on.
    consumed = 0
    #: Whether the pass began before the checkpoint that this run came from; hooks that reset themselves at the start
    #: of an epoch may leave it.
    resumed_in_epoch = False
    _validated_at = -1
    _rng_state: dict | None = None
    _validation_pending = False
    _guard: _BufferGuard | None = None

    def validation_due(self, epoch: int, iteration: int, consumed: int) -> bool:
        """Whether validation follows the point where so many epochs, iterations and batches are complete."""
        raise NotImplementedError

    def state_dict(self, epoch: int, iteration: int, consumed: int) -> dict:
        """Place of the loop, as a checkpoint keeps it."""
        due = self._validated_at != iteration and self.validation_due(epoch, iteration, consumed)
        return dict(consumed=consumed, batch_size=self.dataloader.batch_size or 0, world_size=self.runner.world_size,
                    validation_due=due)

    def load_state_dict(self, state: dict, rng_state: dict | None) -> None:
        """Go to the place of :meth:`state_dict`; the generators follow once the data iterator exists."""
        self.consumed = state['consumed']
        then = state['batch_size'] * state['world_size']
        now = (self.dataloader.batch_size or 0) * self.runner.world_size
        if then != now and self.consumed:
            self.consumed = min(self.consumed * then // now, len(self.dataloader))
            self.runner.logger.warning(f'the checkpoint was written with {then} samples an iteration, this run has '
                                       f'{now}: it goes on near the same place of the epoch, not exactly there')
        self.resumed_in_epoch = self.consumed > 0
        self._validation_pending = state['validation_due']
        self._validated_at = -1 if self._validation_pending else self._iter
        self._rng_state = rng_state

    def batches(self, epoch: int) -> Iterator[dict]:
        """Iterate the data of ``epoch`` from the place where ``consumed`` batches are done, reading none of those."""
        loader, done = self.dataloader, self.consumed
        sampler = loader.sampler
        plain_batches = type(loader.batch_sampler) is BatchSampler
        if not plain_batches:
            sampler = getattr(loader.batch_sampler, 'sampler', sampler)
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
        if done and plain_batches and hasattr(sampler, 'skip'):
            sampler.skip(min(done * loader.batch_size, len(sampler)))
            done = 0
        iterator = iter(loader)
        if done:
            self.runner.logger.warning(f'{type(sampler).__name__} cannot skip: {done} batches are read again to get '
                                       'back to the place of the checkpoint')
            for _ in range(done):
                next(iterator)
        self._restore_rng()
        return iterator

    def _restore_rng(self) -> None:
        # Making an iterator and starting workers may draw numbers, so this comes after.
        if self._rng_state is not None:
            restore_rng_state(self._rng_state)
            self._rng_state = None

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """One iteration: hooks, update, hooks; then the answer to a signal that came meanwhile.

        Raises:
            NonFiniteLossError: If the loss is not finite; a checkpoint of the state before this iteration is written.
            Interrupted: If the run was told to stop; a checkpoint is written.
        """
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        if self._guard is None:
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            self._guard = _BufferGuard(model)
        self._guard.keep()
        try:
            outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        except NonFiniteLossError as error:
            self._stop_at_non_finite(error)
        self.consumed += 1
        runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1
        if runner.stop_signal is not None:
            self._stop_at_signal()

    def _stop_at_non_finite(self, error: NonFiniteLossError) -> None:
        self._guard.restore()
        name = self.runner.save_last(self._epoch, self._iter, self.consumed)
        raise NonFiniteLossError(f'iteration {self._iter + 1}: {error}; the state before it is saved to {name}') \
            from error

    def _stop_at_signal(self) -> None:
        signum = self.runner.stop_signal
        name = self.runner.save_last(self._epoch, self._iter, self.consumed)
        self.runner.announce(f'stopped by {signum.name} after iteration {self._iter}; the state is saved to {name}; '
                             'continue with --resume')
        raise Interrupted(signum)

    def validate(self) -> None:
        """Run validation; training mode comes back after it."""
        self._validation_pending = False
        # What a hook saves from here on has been validated.
        self._validated_at = self._iter
        self.runner.val_loop.run()
        self.runner.model.train()
        if self.runner.stop_signal is not None:
            self._stop_at_signal()

    def _validate_if_pending(self) -> None:
        """The validation that a checkpoint was written before."""
        if self._validation_pending and self.runner.val_loop is not None:
            self._restore_rng()
            self.validate()
