"""Plain references: which measurements they offer, and what a measurement tells them about the config beside them.

A reference is a module of this folder with a dictionary ``OFFERS`` of functions of a :class:`Task`, any of::

    data    a loader, whose batches are tuples with the labels last
    step    a function that does one training step, and the samples of a step
    epoch   a function that trains for an epoch and evaluates, and the samples that it reads
    decode  a function that reads the videos of the task, and returns their number

A module without ``OFFERS`` but with ``build_loader(clips, batch_size, num_workers)`` offers ``data`` for clips of wav
and jpg files.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mmengine.config import Config

from avmm.utils.errors import ConfigError
from avmm.utils.tooling import REPO_ROOT

#: What a reference may offer, in the order of the documentation.
KINDS = ('data', 'step', 'epoch', 'decode')


@dataclass
class Task:
    """The work of a config, for a reference that has to do the same.

    Attributes:
        cfg: The config, with the data set in its place.
        split: Split that ``data`` reads.
        seed: Seed of every random choice.
        batch_size: Batch size of training.
        num_workers: Worker processes.
        device: Where the model is.
        options: Options for the reference alone, from the command line.
        open_dataset: Gives the built data set of the split, or the paths of the videos.
    """
    cfg: Config
    split: str
    seed: int
    batch_size: int
    num_workers: int
    device: str
    options: dict
    open_dataset: Callable


def is_reference(path: str) -> bool:
    """Whether ``path`` is a plain reference rather than a config."""
    return Path(path).resolve().parent == REPO_ROOT / 'benchmarks'


def load_reference(path: str) -> ModuleType:
    """The module of a plain reference, with ``OFFERS``.

    Raises:
        ConfigError: If it offers nothing.
    """
    if not Path(path).is_file():
        raise ConfigError(f'--compare {path}: no such file')
    # Its data set crosses into worker processes by the name of its module.
    module = importlib.import_module(f'benchmarks.{Path(path).stem}')
    if not hasattr(module, 'OFFERS'):
        if not hasattr(module, 'build_loader'):
            raise ConfigError(f'--compare {path}: has no build_loader(clips, batch_size, num_workers) and no OFFERS; '
                              'a plain reference needs one of them')
        module.OFFERS = dict(data=lambda task: clips_loader(module, task))
    return module


def clips_loader(module: ModuleType, task: Task):
    """The loader of a reference for clips, over those of the config."""
    from benchmarks.pipeline import plain_task
    clips, options = plain_task(task.open_dataset())
    return module.build_loader(clips, task.batch_size, task.num_workers, **options, **task.options)


def offering(paths: list[str], what: str) -> dict[str, Callable]:
    """The functions for ``what`` of those references that have one, by name."""
    offers = {Path(path).stem: load_reference(path).OFFERS for path in paths}
    return {name: functions[what] for name, functions in offers.items() if what in functions}


def check_references(paths: list[str], whats: list[str]) -> None:
    """Check that each reference offers something of ``whats``.

    Raises:
        ConfigError: If one does not.
    """
    for path in paths:
        offers = load_reference(path).OFFERS
        # Memory is that of training: what a reference does in an epoch.
        if not any(('epoch' if what == 'memory' else what) in offers for what in whats):
            there = ' '.join(kind for kind in KINDS if kind in offers)
            raise ConfigError(f'--compare {path}: a plain reference is for --what {there}; '
                              'loop and history bring their own')
