"""An epoch end to end: training, its evaluation, and everything that the runner does beside them."""
from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config

from avmm.engine.loops import EpochTrainLoop
from avmm.registry import LOOPS
from avmm.utils.errors import ConfigError
from benchmarks.timing import now, synchronise


@LOOPS.register_module()
class EpochByEpochLoop(EpochTrainLoop):
    """Our epoch loop, which stops at the first epoch to let someone else call them."""

    def run(self):
        """Get ready to train."""
        self.runner.call_hook('before_train')
        return self.runner.model


class EpochCase:
    """Epochs of our runner, one each repeat, evaluation included.

    Checkpoints are left out, and of the log all that is below a warning.

    Args:
        cfg: The config; it is not changed.
        seed: Seed of the run.
        work_dir: Folder of the log.
        max_epochs: As many as will be asked for.
        batch_size: Of training; the config's by default.
        num_workers: Of each loader; the config's by default.

    Raises:
        ConfigError: If the config does not train by epochs.
    """

    def __init__(self, cfg: Config, seed: int, work_dir: str, max_epochs: int, batch_size: int | None = None,
                 num_workers: int | None = None):
        from avmm.engine.build import build_runner
        cfg = copy.deepcopy(cfg)
        if (cfg.get('train_cfg') or {}).get('type') != 'EpochTrainLoop':
            raise ConfigError('--what epoch: the config must train by epochs (train_cfg.type EpochTrainLoop)')
        cfg.update(work_dir=work_dir, resume=False, load_from=None, randomness=dict(seed=seed),
                   log_level='WARNING')
        cfg.train_cfg.update(type='EpochByEpochLoop', max_epochs=max_epochs)
        cfg.default_hooks = dict(cfg.get('default_hooks') or {}, checkpoint=None)
        for split in ('train', 'val', 'test'):
            loader = cfg.get(f'{split}_dataloader')
            if loader and num_workers is not None:
                loader.update(num_workers=num_workers, persistent_workers=num_workers > 0)
                if not num_workers:
                    loader.pop('prefetch_factor', None)
        if batch_size is not None:
            cfg.train_dataloader.batch_size = batch_size
        self.runner = build_runner(cfg, Path(__file__).resolve().parents[1])
        self.runner.train()

    @property
    def samples(self) -> int:
        """Samples of an epoch: those that are trained on and those that are evaluated."""
        train, val = self.runner.train_dataloader, self.runner.val_loop
        trained = len(train) * train.batch_size if train.drop_last else len(train.sampler)
        return trained + (len(val.dataloader.sampler) if val else 0)

    def __call__(self) -> tuple[float, float]:
        """``(samples, seconds)`` of one epoch."""
        loop = self.runner.train_loop
        start = now()
        loop.run_epoch()
        if loop.validation_due(loop.epoch, loop.iter, loop.consumed):
            loop.validate()
        synchronise()
        return self.samples, now() - start


class ReferenceEpochs:
    """Epochs of a plain reference, one each repeat.

    Args:
        epoch: Trains for an epoch and evaluates.
        samples: Samples that it reads.
    """

    def __init__(self, epoch, samples: int):
        self.epoch, self.samples = epoch, samples

    def __call__(self) -> float:
        """Samples of one repeat."""
        self.epoch()
        return self.samples


class ReferenceSteps:
    """Steps of a plain reference on one batch.

    Args:
        step: Does one step.
        samples: Samples of a step.
        iters: Steps of one repeat.
    """

    def __init__(self, step, samples: int, iters: int):
        self.step, self.samples, self.iters = step, samples, iters

    def __call__(self) -> float:
        """Samples of one repeat."""
        for _ in range(self.iters):
            self.step()
        return self.samples * self.iters
