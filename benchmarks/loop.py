"""What our training loop adds to a bare one: the same model, data and optimiser, epoch by epoch in turn."""
from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from torch.utils.data import DataLoader

from avmm.registry import OPTIMIZERS
from benchmarks.timing import Timing, now, synchronise
from benchmarks.train_loop import train_epoch


class BareEpochs(Hook):
    """Times each epoch of the runner, and after it the same epoch done by the bare loop on a copy of the model.

    Validation and checkpoints are switched off, since the bare loop has none.

    Args:
        optimizer: Config of the optimiser of the copy.
        warm_up: Epochs that do not count.
    """

    # The first hook to see the beginning of an epoch; :class:`EndOfEpoch` is the last to see its end.
    priority = 'HIGHEST'

    def __init__(self, optimizer: dict, warm_up: int):
        self.optimizer_cfg, self.warm_up = optimizer, warm_up
        self.ours: list[float] = []
        self.bare: list[float] = []
        self._start = 0.0

    def before_train(self, runner) -> None:
        """Copy the model as it stands before the first step."""
        self.model = copy.deepcopy(runner.model)
        self.optimizer = OPTIMIZERS.build(dict(self.optimizer_cfg, params=self.model.parameters()))
        ours = runner.train_dataloader
        workers = dict(persistent_workers=ours.persistent_workers, prefetch_factor=ours.prefetch_factor) \
            if ours.num_workers else {}
        self.loader = DataLoader(ours.dataset, ours.batch_size, shuffle=True, num_workers=ours.num_workers,
                                 collate_fn=ours.collate_fn, drop_last=ours.drop_last, pin_memory=ours.pin_memory,
                                 **workers)

    def before_train_epoch(self, runner) -> None:
        """Start the watch."""
        synchronise()
        self._start = now()

    def epoch_done(self, runner) -> None:
        """Stop the watch, and run the bare epoch."""
        synchronise()
        ours = now() - self._start
        start = now()
        train_epoch(self.model, self.optimizer, self.loader)
        synchronise()
        bare = now() - start
        if runner.epoch >= self.warm_up:
            samples = len(self.loader) * self.loader.batch_size
            self.ours.append(ours / samples)
            self.bare.append(bare / samples)


class EndOfEpoch(Hook):
    """Tells :class:`BareEpochs` that every other hook has finished the epoch."""

    priority = 'LOWEST'

    def __init__(self, watch: BareEpochs):
        self.watch = watch

    def after_train_epoch(self, runner) -> None:
        """Pass it on."""
        self.watch.epoch_done(runner)


def measure(cfg: Config, loader: DataLoader, work_dir: str, repeats: int, warm_up: int) -> dict[str, Timing]:
    """Run ``warm_up + repeats`` epochs of the config with our runner and with the bare loop.

    Args:
        cfg: The config; it is not changed.
        loader: Data loader of the training.
        work_dir: Folder of the log.
    """
    from avmm.engine.build import build_runner
    cfg = copy.deepcopy(cfg)
    cfg.update(work_dir=work_dir, resume=False, load_from=None,
               val_cfg=None, val_dataloader=None, val_evaluator=None, test_cfg=None, test_dataloader=None,
               test_evaluator=None, train_cfg=dict(type='EpochTrainLoop', max_epochs=warm_up + repeats))
    cfg.default_hooks = dict(cfg.get('default_hooks') or {}, checkpoint=None)
    runner = build_runner(cfg, Path(__file__).resolve().parents[1])
    runner._train_dataloader = loader
    watch = BareEpochs(cfg.optim_wrapper.optimizer, warm_up)
    runner.register_hook(watch)
    runner.register_hook(EndOfEpoch(watch))
    runner.train()
    return {'bare loop': Timing(watch.bare), 'our loop': Timing(watch.ours)}
