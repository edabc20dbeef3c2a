"""Which models there are: every config that can be run, by name."""
from __future__ import annotations

import difflib
import fnmatch
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from avmm.utils import ConfigError
from avmm.utils.config import load_config
from avmm.utils.plugins import REPO_ROOT


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be built.

    Attributes:
        name: Name of the config, without its ending.
        config: Its file.
        project: The project that it belongs to; empty for shared configs.
        collection: The paper or family that the project's ``metafile.yml`` lists it under.
        dataset: Data set of its published results.
        published: Published results, ``{metric: value}``.
        listed_task: What it does, in the words of ``metafile.yml``.
    """
    name: str
    config: Path
    project: str = ''
    collection: str = ''
    dataset: str = ''
    published: tuple[tuple[str, float], ...] = ()
    listed_task: str = ''

    @property
    def task(self) -> str:
        """What it does: the words of ``metafile.yml``, or else those of the inferencer of its model."""
        return self.listed_task or _task_of(self.config)


def list_models(pattern: str | None = None, task: str | None = None,
                root: str | os.PathLike = REPO_ROOT) -> list[str]:
    """Names of the models that can be built, sorted: all configs under ``configs/`` and ``projects/*/configs/``.

    Args:
        pattern: Only those with this in their name; ``*`` and ``?`` stand for anything, as in ``'cmran*ave'``.
        task: Only those with this in what they do, such as ``'classification'`` or ``'event localization'``.
        root: Folder that holds ``configs`` and ``projects``.

    Example:
        >>> list_models('av_digits*')
        ['av_digits', 'av_digits_audio', 'av_digits_ogmge', 'av_digits_visual']
    """
    found = model_infos(root).values()
    if pattern is not None:
        wild = pattern if any(c in pattern for c in '*?[') else f'*{pattern}*'
        found = [info for info in found if fnmatch.fnmatchcase(info.name, wild)]
    if task is not None:
        found = [info for info in found if _spelt(task) in _spelt(info.task)]
    return sorted(info.name for info in found)


@functools.cache
def model_infos(root: str | os.PathLike = REPO_ROOT) -> dict[str, ModelInfo]:
    """``{name: what is known of the model}`` for every config that can be run."""
    root = Path(root)
    infos = {}
    for path in sorted([*root.glob('configs/**/*.py'), *root.glob('projects/*/configs/**/*.py')]):
        parts = path.relative_to(root).parts
        if '_base_' not in parts:
            infos[path.stem] = ModelInfo(path.stem, path, parts[1] if parts[0] == 'projects' else '')
    for file in sorted(root.glob('projects/*/metafile.yml')):
        for name, facts in _listed(file, root):
            if name in infos:
                infos[name] = ModelInfo(name, infos[name].config, infos[name].project, **facts)
    return infos


def _listed(file: Path, root: Path) -> Iterator[tuple[str, dict]]:
    """Names of the configs that a ``metafile.yml`` lists, and what it says of them."""
    import yaml
    for model in (yaml.safe_load(file.read_text(encoding='utf-8')) or {}).get('Models') or ():
        result = (model.get('Results') or [{}])[0]
        yield Path(model['Config']).stem, dict(
            collection=model.get('In Collection', ''), dataset=result.get('Dataset', ''),
            published=tuple((result.get('Metrics') or {}).items()), listed_task=result.get('Task', ''))


def find_config(config: str | os.PathLike, cfg_options: dict | None = None,
                root: str | os.PathLike = REPO_ROOT) -> Config:
    """The config of a file or of a model's name.

    Args:
        config: A file, or a name of :func:`list_models`.
        cfg_options: ``{dotted key: value}`` to override.
        root: Folder that holds ``configs`` and ``projects``.

    Raises:
        ConfigError: If there is neither; the message has the nearest names.
    """
    text = os.fspath(config)
    if os.path.isfile(text) or text.endswith(('.py', '.json', '.yml', '.yaml')):
        return load_config(text, cfg_options)
    infos = model_infos(root)
    if text not in infos:
        near = difflib.get_close_matches(text, infos, n=3, cutoff=0.4)
        hint = f'did you mean {", ".join(near)}?' if near else 'list_models() has the names.'
        raise ConfigError(f'{text}: neither a config file nor the name of a model; {hint}')
    return load_config(infos[text].config, cfg_options)


@functools.lru_cache(maxsize=512)
def _task_of(path: Path) -> str:
    from avmm.apis.factory import inferencer_class
    try:
        return inferencer_class(load_config(path)).task
    except ConfigError:
        return ''


def _spelt(words: str) -> str:
    """Words without the differences of spelling that do not matter here."""
    return words.lower().replace('isation', 'ization').replace('-', ' ').replace('_', ' ')
