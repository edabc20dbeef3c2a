"""Loading a config the same way in every command."""
from __future__ import annotations

import argparse
import difflib
import os
from pathlib import Path

from mmengine.config import Config, DictAction

from avmm.utils.errors import ConfigError


class OptionsAction(DictAction):
    """``--cfg-options KEY=VALUE ...`` of a command line, as one dictionary."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Read the options.

        Raises:
            argparse.ArgumentError: If one is no assignment, or has a value that cannot be written so.
        """
        for value in values:
            if '=' not in value:
                raise argparse.ArgumentError(self, f'{value!r} is not of the form KEY=VALUE')
            if 'dict(' in value:
                raise argparse.ArgumentError(self, f'{value!r} holds dict(...), which an option cannot; name its keys '
                                             'one by one, as in KEY.type=NAME, or write a config that inherits')
        super().__call__(parser, namespace, values, option_string)


def load_config(path: str | os.PathLike, cfg_options: dict | None = None) -> Config:
    """Load a config with its bases, apply ``--cfg-options`` and ``select_on``, and import its plug-ins.

    Args:
        path: A config file of Python, JSON or YAML.
        cfg_options: ``{dotted key: value}``, as ``--cfg-options`` gives it.

    Raises:
        ConfigError: If the file is missing or cannot be read as a config, or if an option is misspelt.
    """
    from avmm.utils.plugins import import_plugins
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(str(path), import_custom_modules=False)
        if cfg_options:
            _refuse_misspelt(cfg, cfg_options)
            cfg.merge_from_dict(cfg_options)
    except ConfigError:
        raise
    except (SyntaxError, KeyError, TypeError, ValueError, NameError, AttributeError, OSError) as error:
        raise ConfigError(f'{path}: cannot be read as a config: {type(error).__name__}: {error}') from error
    apply_select_on(cfg)
    import_plugins(cfg)
    return cfg


def _refuse_misspelt(cfg: Config, cfg_options: dict) -> None:
    """An option of a name that the config does not have would change nothing, without a word."""
    from avmm.utils.config_check import TOP_KEYS
    known = {*cfg, *TOP_KEYS}
    for option in cfg_options:
        name = option.partition('.')[0]
        near = [] if name in known else difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)
        if near:
            raise ConfigError(f'--cfg-options: the config has no {name!r}; did you mean {near[0]!r}?')


def apply_select_on(cfg: Config) -> None:
    """Let ``select_on`` decide on which split a run validates and picks its best checkpoint.

    ``'val'`` leaves the config as it is. ``'test'`` does what most published rows did: the run validates on the test
    split, and what would have been held out of the training split is trained on.

    Raises:
        ConfigError: If it is neither.
    """
    choice = cfg.get('select_on', 'val')
    if choice not in ('val', 'test'):
        raise ConfigError(f"select_on is {choice!r}; it must be 'val' or 'test'")
    if choice == 'val' or cfg.get('test_dataloader') is None:
        return
    cfg.val_dataloader = cfg.test_dataloader
    cfg.val_evaluator = cfg.test_evaluator
    train_set = cfg.train_dataloader.dataset
    if 'val_fraction' in train_set:
        train_set.val_fraction = 0.0
