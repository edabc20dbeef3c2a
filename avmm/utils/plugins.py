"""Importing the modules that a config names in ``custom_imports``: the projects, and packages of anyone else."""
from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from avmm.utils.errors import ConfigError

REPO_ROOT = Path(__file__).resolve().parents[2]


def import_plugins(cfg: Mapping) -> list[str]:
    """Import what ``custom_imports`` of a config names, so that its components are registered.

    A project of this repository is found from any working directory; another package is found where Python finds it
    (installed, on ``PYTHONPATH``) or in the working directory.

    Args:
        cfg: A config with ``custom_imports = dict(imports=['projects.example_project.example_project'])``;
            ``allow_failed_imports=True`` turns an error into a warning.

    Returns:
        The names of the modules that were imported.

    Raises:
        ConfigError: If ``custom_imports`` is no such dict or a module cannot be imported. One line says which, why,
            and where it was looked for.
    """
    names, lenient = _read_custom_imports(cfg.get('custom_imports'))
    imported = []
    for name in names:
        try:
            _import(name)
        except ConfigError as error:
            if not lenient:
                raise
            warnings.warn(f'{error} (ignored, as allow_failed_imports says)', stacklevel=2)
        else:
            imported.append(name)
    return imported


def _read_custom_imports(entry: object) -> tuple[list[str], bool]:
    if not entry:
        return [], False
    if isinstance(entry, (str, list, tuple)):
        entry = {'imports': entry}
    if not isinstance(entry, Mapping) or set(entry) - {'imports', 'allow_failed_imports'}:
        raise ConfigError(f"custom_imports is {entry!r}; it must look like dict(imports=['my_package.my_module'])")
    imports = entry.get('imports') or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    for name in imports:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split('.')):
            raise ConfigError(f'custom_imports names {name!r}, which is no dotted module name; '
                              'write my_package.my_module, without a path and without .py')
    return imports, bool(entry.get('allow_failed_imports', False))


def _import(name: str) -> None:
    top = name.partition('.')[0]
    _extend_path(top)
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing = getattr(error, 'name', None) or ''
        if top == 'projects':
            _refuse_foreign_projects()
        if isinstance(error, ModuleNotFoundError) and (name == missing or name.startswith(f'{missing}.')):
            raise ConfigError(_not_found(name, missing)) from error
        raise ConfigError(f'custom_imports: {name} was found but cannot be imported: '
                          f'{type(error).__name__}: {error}') from error
    if top == 'projects':
        _refuse_foreign_projects()


def _extend_path(top: str) -> None:
    """Put the repository first for its projects, the working directory last for everything else."""
    if top == 'projects' and (REPO_ROOT / 'projects' / '__init__.py').is_file():
        if sys.path[:1] != [str(REPO_ROOT)]:
            sys.path.insert(0, str(REPO_ROOT))
    elif os.getcwd() not in sys.path and '' not in sys.path:
        sys.path.append(os.getcwd())


def _refuse_foreign_projects() -> None:
    """Say so if ``projects`` is not the folder of this repository."""
    ours = REPO_ROOT / 'projects'
    module = sys.modules.get('projects')
    places = [Path(p).resolve() for p in getattr(module, '__path__', [])]
    if ours.is_dir() and module is not None and ours not in places:
        where = places[0] if places else getattr(module, '__file__', 'somewhere else')
        raise ConfigError(f'projects is already imported from {where}, which hides {ours}; uninstall '
                          'or rename that package')


def _not_found(name: str, missing: str) -> str:
    if missing == name.partition('.')[0]:
        return (f'custom_imports: there is no package {missing!r} (wanted for {name}); install it, put its folder on '
                f'PYTHONPATH, or start from the folder that holds it (now {os.getcwd()})')
    parent = sys.modules.get(missing.rpartition('.')[0])
    where = next(iter(getattr(parent, '__path__', [])), None) or getattr(parent, '__file__', 'its package')
    return f'custom_imports: there is no module {missing!r} (wanted for {name}) in {where}; check the spelling'
