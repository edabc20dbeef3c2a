"""What the commands under ``tools/`` share: one argument style, and building from a config."""
from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from avmm.utils.config import OptionsAction, load_config
from avmm.utils.errors import ConfigError
from avmm.utils.prepare import prepare_data

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch.utils.data import DataLoader

    from avmm.models.base import AVModel

REPO_ROOT = Path(__file__).resolve().parents[2]
SPLITS = ('train', 'val', 'test')


def tool_parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples."""
    return argparse.ArgumentParser(
        description=description, epilog='Examples:\n' + textwrap.indent(textwrap.dedent(examples).strip('\n'), '  '),
        formatter_class=argparse.RawDescriptionHelpFormatter)


def add_config_args(parser: argparse.ArgumentParser, checkpoint: str | None = None,
                    config_help: str = 'config file') -> None:
    """Add ``config``, ``checkpoint`` and ``--cfg-options``.

    Args:
        checkpoint: None leaves it out, ``'required'`` or ``'optional'`` add it.
        config_help: What else the config may be.
    """
    parser.add_argument('config', help=config_help)
    if checkpoint:
        parser.add_argument('checkpoint', nargs='?' if checkpoint == 'optional' else None,
                            help='checkpoint file' + ('' if checkpoint == 'required' else ' (default: fresh weights)'))
        parser.add_argument('--trust-checkpoint', action='store_true',
                            help='let the checkpoint run code; only for files you trust')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, default={}, metavar='KEY=VALUE',
                        help='settings of the config to override, such as optim_wrapper.optimizer.lr=0.01')


def add_device_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--seed``."""
    parser.add_argument('--device', default=None, help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--seed', type=int, default=0, help='seed of every random choice (default: 0)')


def config_from(args: argparse.Namespace, to_build: bool = True, with_data: bool = False) -> Config:
    """The config that the command line names.

    Args:
        to_build: Whether something will be built from it, so that its names and arguments are checked first.
        with_data: Whether an embedded data set has to be there, and is made if it is not.

    Raises:
        ConfigError: If the config is missing or wrong.
    """
    cfg = load_config(args.config, args.cfg_options)
    if to_build:
        from mmengine.registry import init_default_scope

        from avmm.utils.config_check import check_config
        check_config(cfg)
        init_default_scope(cfg.get('default_scope', 'avmm'))
    if with_data:
        prepare_data(cfg, REPO_ROOT)
    return cfg


def pick_device(name: str | None) -> torch.device:
    """The device called ``name``, by default a GPU if there is one.

    Raises:
        ConfigError: If there is no such device.
    """
    import torch
    try:
        device = torch.device(name or ('cuda' if torch.cuda.is_available() else 'cpu'))
    except RuntimeError as error:
        raise ConfigError(f'--device {name}: not a device; try cpu or cuda:0') from error
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise ConfigError(f'--device {name}: this machine has no GPU that torch can use; try --device cpu')
    return device


def loader_config(cfg: Config, split: str) -> dict:
    """A copy of the config of a split's data loader.

    Raises:
        ConfigError: If the config has no such split.
    """
    import copy
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        there = ', '.join(s for s in SPLITS if cfg.get(f'{s}_dataloader'))
        raise ConfigError(f'--split {split}: the config has no {split}_dataloader; it has {there or "none"}')
    return copy.deepcopy(dict(loader))


def build_dataset(cfg: Config, split: str, **changes):
    """The data set of a split, with some of its settings changed."""
    from avmm.registry import DATASETS
    return DATASETS.build(dict(loader_config(cfg, split)['dataset'], **changes))


def build_loader(cfg: Config, split: str, seed: int = 0, dataset=None, batch_size: int | None = None,
                 num_workers: int | None = None) -> DataLoader:
    """The data loader of a split, as a run would build it.

    Args:
        dataset: A built data set to read instead of building the config's.
        batch_size: Replaces the config's.
        num_workers: Replaces the config's; 0 also switches off what only workers can do.
    """
    from avmm.engine.runner import AVRunner
    loader = loader_config(cfg, split)
    if dataset is not None:
        loader['dataset'] = dataset
    if batch_size is not None:
        loader['batch_size'] = batch_size
    if num_workers is not None:
        loader['num_workers'] = num_workers
    if not loader.get('num_workers'):
        loader['persistent_workers'] = False
        loader.pop('prefetch_factor', None)
    return AVRunner.build_dataloader(loader, seed=seed)


def given_shapes(pairs: Sequence[str]) -> dict[str, tuple[tuple[int, ...], str]]:
    """``['audio=1,257,188', 'visual=3,1,8,8:uint8']`` to ``{'audio': ((1, 257, 188), 'float32'), ...}``.

    Raises:
        ConfigError: If one is written otherwise.
    """
    shapes = {}
    for pair in pairs:
        name, _, rest = pair.partition('=')
        sizes, _, kind = rest.partition(':')
        try:
            shapes[name] = tuple(int(size) for size in sizes.split(',')), kind or 'float32'
        except ValueError:
            raise ConfigError(f'--shape {pair}: write it as audio=1,257,188') from None
        if min(shapes[name][0]) < 1:
            raise ConfigError(f'--shape {pair}: every size must be at least 1')
        if shapes[name][1] not in ('float32', 'float64', 'float16', 'uint8', 'bool'):
            raise ConfigError(f'--shape {pair}: {kind!r} is no type of an input; try float32, uint8 or bool')
    return shapes


def example_inputs(cfg: Config, shapes: Sequence[str] | None = None, split: str = 'test') -> dict[str, torch.Tensor]:
    """``{name: (1, ...)}`` as the data set gives them: zeros of the ``shapes``, or the first sample of a split.

    Args:
        shapes: As for :func:`given_shapes`; no data are read then.

    Raises:
        ConfigError: If the config has no such split, or a shape is written otherwise.
        DataError: If the data are not there.
    """
    import torch
    if shapes:
        return {name: torch.zeros(1, *sizes, dtype=getattr(torch, kind))
                for name, (sizes, kind) in given_shapes(shapes).items()}
    loader_config(cfg, split)
    prepare_data(cfg, REPO_ROOT)
    # Not of a loader: a batch may still have to be finished by the model's preprocessing.
    return {name: value[None] for name, value in build_dataset(cfg, split)[0]['inputs'].items()}


def predict(model: AVModel, loader: DataLoader) -> dict[str, np.ndarray]:
    """The predictions of a model, as the arrays of a predictions file.

    Returns:
        ``sample_id`` (N,), ``gt_label`` (N,) or ``gt_score`` (N, C), ``pred_score`` (N, C), and ``score_<modality>``
        (N, C) for each modality of which every sample has a score.
    """
    import numpy as np
    import torch

    from avmm.evaluation.metrics.prediction_dump import PredictionDump
    from avmm.utils.cli import track
    dump = PredictionDump('predictions.npz')
    with torch.no_grad():
        for batch in track(loader, 'predicting'):
            dump.process(batch, [sample.to_dict() for sample in model.test_step(batch)])
    rows = dump.results
    return {key: np.array([row[key] for row in rows]) for key in sorted(set(rows[0]).intersection(*rows))}


def check_out(path: str | Path, suffixes: tuple[str, ...]) -> Path:
    """An output path whose folder exists.

    Raises:
        ConfigError: If its suffix is not one of ``suffixes``.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f'{path}: must end in {" or ".join(suffixes)}')
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def print_lines(lines: Sequence[str], out: Path | None = None) -> None:
    """Print lines, such as those of a table, and write them to ``out`` as well."""
    text = '\n'.join(lines)
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + '\n', encoding='utf-8')
