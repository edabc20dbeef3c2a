"""Trained models that an analysis compares: which they are, and how they are opened."""
from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mmengine.config import Config

from avmm.engine.checkpoint import checkpoint_candidates, load_checkpoint, load_state_dict
from avmm.utils.config import load_config
from avmm.utils.errors import ConfigError, DataError
from projects.uavm.uavm import converter

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader

    from projects.uavm.uavm.models import FeatureTransformer

T = TypeVar('T')
#: The models that the analyses compare, and what they are called in the paper.
TYPES = {'UAVM': 'unified', 'ModalityIndependentTransformer': 'independent',
         'CrossModalityTransformer': 'cross-modality'}


@dataclass(frozen=True, order=True)
class Setting:
    """What tells models of a sweep apart; repeats of a training have the same.

    Attributes:
        type: Class of the model.
        shared_channels: Width S of the upper part.
        specific_depth: Blocks of each modality.
        shared_depth: Blocks after them, N_s.
    """
    type: str
    shared_channels: int
    specific_depth: int
    shared_depth: int

    @property
    def kind(self) -> str:
        """The published name of the model: ``'unified'``, ``'independent'`` or ``'cross-modality'``."""
        return TYPES[self.type] if self.shared_depth else 'independent'

    @property
    def depths(self) -> tuple[int, int]:
        """Specific and shared blocks."""
        return self.specific_depth, self.shared_depth

    @property
    def label(self) -> str:
        """The setting in a few words."""
        return f'{self.kind} {self.specific_depth}+{self.shared_depth}, S={self.shared_channels}'


@dataclass
class Run:
    """One trained model.

    Attributes:
        name: Name of the work directory or of the checkpoint.
        cfg: Its config.
        checkpoint: Its weights, ours or official; None if it has none.
    """
    name: str
    cfg: Config
    checkpoint: Path | None

    @property
    def setting(self) -> Setting:
        """What kind of model it is."""
        model = self.cfg.model
        channels = model.get('channels', 1024)
        return Setting(model.type, model.get('shared_channels') or channels, model.get('specific_depth', 3),
                       model.get('shared_depth', 3))

    def load(self, device: torch.device | str = 'cpu', trust: bool = False) -> FeatureTransformer:
        """The model in evaluation mode; an official checkpoint is converted on the way.

        Raises:
            CheckpointError: If the checkpoint cannot be read or is of another model.
        """
        from avmm.apis import init_model
        content = load_checkpoint(self.checkpoint, trust=trust)
        state = content.get('state_dict', content)
        if any(name.removeprefix('module.').startswith(('a_', 'v_', 's_trans')) for name in state):
            state = converter.from_official(
                state, 'independent' if self.cfg.model.type == 'ModalityIndependentTransformer' else 'uavm')
        model = init_model(self.cfg, None, device)
        load_state_dict(model, state, self.checkpoint)
        return model


def find_run(argument: str, cfg_options: dict | None = None) -> Run:
    """A run by its work directory, or by ``CONFIG:CHECKPOINT``.

    Of a work directory, the best checkpoint counts, and the last one if there is none.

    Raises:
        ConfigError: If there is no config, or it is of another kind of model.
        DataError: If there is no checkpoint.
    """
    config, colon, checkpoint = argument.rpartition(':')
    if colon and config.endswith('.py'):
        if not Path(checkpoint).is_file():
            raise DataError(f'{checkpoint}: no such checkpoint')
        return _checked(Run(Path(checkpoint).stem, load_config(config, cfg_options), Path(checkpoint)), argument)
    run = find_config(argument, cfg_options)
    if run.checkpoint is None:
        raise DataError(f'{argument}: holds no checkpoint')
    return run


def find_config(folder: str, cfg_options: dict | None = None) -> Run:
    """A run by its work directory, with or without a checkpoint.

    Raises:
        ConfigError: If there is no config, or it is of another kind of model.
    """
    path = Path(folder)
    configs = sorted(path.glob('*.py'), key=lambda p: p.stat().st_mtime_ns)
    if not configs:
        raise ConfigError(f'{folder}: neither a work directory with the config of its run nor CONFIG:CHECKPOINT')
    best = sorted(path.glob('best_*.pth'), key=lambda p: p.stat().st_mtime_ns)
    found = [*reversed(best), *checkpoint_candidates(path), None]
    return _checked(Run(path.resolve().name, load_config(configs[-1], cfg_options), found[0]), folder)


def _checked(run: Run, argument: str) -> Run:
    if run.cfg.get('model', {}).get('type') not in TYPES:
        raise ConfigError(f'{argument}: its model is none of {", ".join(TYPES)}')
    return run


def group_runs(runs: Iterable[Run], repeats: int | None = None) -> dict[Setting, list[Run]]:
    """Runs by setting, in the order of the settings.

    Args:
        runs: The runs.
        repeats: How many of each there have to be.

    Raises:
        DataError: If there are more or fewer of a setting: a mean over fewer repeats is another number.
    """
    groups = defaultdict(list)
    for run in runs:
        groups[run.setting].append(run)
    for setting, own in groups.items():
        if repeats is not None and len(own) != repeats:
            raise DataError(f'{len(own)} of {repeats} repeats of {setting.label}: '
                            f'{", ".join(run.name for run in own)}')
    return dict(sorted(groups.items()))


def usual(settings: Iterable[Setting], value: Callable[[Setting], T], prefer: T) -> T:
    """The value that a figure holds fixed while it varies another: ``prefer`` if a setting has it, else the commonest.
    """
    found = [value(setting) for setting in settings]
    return prefer if prefer in found or not found else max(found, key=found.count)


def open_split(cfg: Config, split: str, feat_norm: bool | None = False, per_class: int = 0,
               batch_size: int | None = 400, num_workers: int | None = None) -> DataLoader:
    """The loader of a split, in its order.

    Args:
        cfg: Config of a run.
        split: ``'train'``, ``'val'`` or ``'test'``.
        feat_norm: Whether features are normalised before the model. The published analyses leave it out, though the
            models are trained with it: their first layer is a norm. None keeps what the config says.
        per_class: Keep this many clips of each class, the first ones; 0 keeps all.
        batch_size: Clips of a batch; None keeps the config's.
        num_workers: Worker processes; None keeps the config's.
    """
    from avmm.registry import DATASETS
    from avmm.utils.tooling import build_dataset, build_loader, loader_config
    changes = {}
    kind = DATASETS.get(loader_config(cfg, split)['dataset']['type'])
    if feat_norm is not None and 'feat_norm' in inspect.signature(kind).parameters:
        changes['feat_norm'] = feat_norm
    dataset = build_dataset(cfg, split, **changes)
    if per_class:
        dataset = dataset.get_subset(first_of_each_class(labels_of(dataset), per_class))
    return build_loader(cfg, split, dataset=dataset, batch_size=batch_size, num_workers=num_workers)


def labels_of(dataset) -> list[int]:
    """First class of every clip of a data set."""
    found = [dataset.get_cat_ids(i) for i in range(len(dataset))]
    return [label[0] if isinstance(label, (list, tuple)) else int(label) for label in found]


def first_of_each_class(labels: Sequence[int], count: int) -> list[int]:
    """Places of the first ``count`` clips of each class, in their order.

    Raises:
        DataError: If a class has fewer.
    """
    taken: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if len(taken[label]) < count:
            taken[label].append(place)
    few = [label for label, places in taken.items() if len(places) < count]
    if few:
        raise DataError(f'class {few[0]} has {len(taken[few[0]])} clips, {count} of each are asked for')
    return sorted(place for places in taken.values() for place in places)
