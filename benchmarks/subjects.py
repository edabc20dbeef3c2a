"""What the benchmark measures of one config: its loader, model, optimiser and epochs."""
from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from avmm.utils.errors import ConfigError
from avmm.utils.tooling import build_loader, config_from, pick_device
from benchmarks.epoch import EpochCase, ReferenceEpochs
from benchmarks.pipeline import BothCase, StepCase
from benchmarks.references import Task, is_reference, load_reference


class Subject:
    """A config and its parts, each built when first asked for.

    Args:
        path: The config file.
        args: The command line of ``tools/analysis_tools/benchmark.py``.
    """

    def __init__(self, path: str, args: argparse.Namespace):
        self.args, self.path, self.name = args, path, Path(path).stem
        self.cfg = config_from(argparse.Namespace(config=path, cfg_options=args.cfg_options), with_data=True)
        self.device = pick_device(args.device)

    def loader(self, dataset=None):
        """The loader of the split."""
        args = self.args
        return build_loader(self.cfg, args.split, args.seed, dataset, args.batch_size, args.workers)

    def trainee(self):
        """A fresh model in training mode, and its optimiser."""
        from mmengine.optim import build_optim_wrapper

        from avmm.apis import init_model
        model = init_model(self.cfg, device=self.device, seed=self.args.seed).train()
        if not self.cfg.get('optim_wrapper'):
            raise ConfigError(f'{self.name}: the config has no optim_wrapper, so there is no step to time')
        settings = dict(self.cfg.optim_wrapper)
        if self.args.amp:
            settings['type'] = 'AmpOptimWrapper'
        optim_wrapper = build_optim_wrapper(model, settings)
        if self.args.compile:
            model.forward = torch.compile(model.forward)
        return model, optim_wrapper

    def step(self) -> StepCase:
        """The step on the first batch of the split."""
        args = self.args
        loader = build_loader(self.cfg, args.split, args.seed, batch_size=args.batch_size, num_workers=0)
        batch = next(iter(loader))
        model, optim_wrapper = self.trainee()
        _tell_classes(model, loader.dataset)
        batch['inputs'] = model.data_preprocessor.cast_data(batch['inputs'])
        return StepCase(model, optim_wrapper, batch, args.iters)

    def both(self) -> BothCase:
        """Loader and step in turn."""
        (model, optim_wrapper), loader = self.trainee(), self.loader()
        _tell_classes(model, loader.dataset)
        return BothCase(model, optim_wrapper, loader, self.args.iters)

    def epoch(self, work_dir: str) -> EpochCase:
        """Epochs of our runner."""
        args = self.args
        return EpochCase(self.cfg, args.seed, work_dir, args.warm_up + args.repeats, args.batch_size, args.workers)

    def task(self) -> Task:
        """The same work, for a plain reference."""
        args, loader = self.args, self.cfg.train_dataloader
        size = loader.batch_size if args.batch_size is None else args.batch_size
        workers = loader.get('num_workers', 0) if args.workers is None else args.workers
        return Task(cfg=self.cfg, split=args.split, seed=args.seed, batch_size=size, num_workers=workers,
                    device=str(self.device), options=dict(args.reference_options),
                    open_dataset=lambda: self.loader().dataset)


def _tell_classes(model, dataset) -> None:
    """Give a model that recognises classes by their words those of the data set, as its loops do."""
    if hasattr(model, 'set_classes'):
        model.set_classes(dataset.class_words, dataset.metainfo['class_ids'])


def check_same_items(ours: EpochCase, name: str, theirs: ReferenceEpochs) -> None:
    """Check that an epoch is as long on both sides.

    Raises:
        ConfigError: If it is not.
    """
    if ours.samples != theirs.samples:
        raise ConfigError(f'--what epoch: the config reads {ours.samples} samples an epoch, {name} {theirs.samples}; '
                          'set drop_last and the split of val_dataloader alike')


def training_work(path: str, first: str, args: argparse.Namespace) -> Callable:
    """What ``--what memory`` runs in a process of its own: some training, with its loader.

    Args:
        path: A config, or a plain reference that does the work of the config ``first``.
        first: The first config.
        args: The command line.
    """
    if not is_reference(path):
        return Subject(path, args).both()
    epoch, _ = load_reference(path).OFFERS['epoch'](Subject(first, args).task(), max_batches=args.iters)
    return epoch
