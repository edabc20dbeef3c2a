"""Errors that a user can act on: one line that says which file or field, why, and what to do."""
from __future__ import annotations


class AVMMError(Exception):
    """Base of every error that the command-line tools print as one line, without a traceback."""


class DataError(AVMMError):
    """A data file is missing, empty, truncated or of the wrong kind."""


class ConfigError(AVMMError, ValueError):
    """A config or a command line asks for something that cannot be."""


class CheckpointError(AVMMError):
    """A checkpoint is torn, belongs to another model, or holds more than plain data."""


class NonFiniteLossError(AVMMError, ArithmeticError):
    """A loss term became infinite or not a number."""


class MissingDependencyError(AVMMError, ImportError):
    """An optional package is not installed."""


def optional_import(module: str, extra: str):
    """Import ``module``, or say which extra of AVMM brings it.

    Args:
        module: Dotted module name.
        extra: Name of the extra in ``setup.py``, as in ``pip install avmm[extra]``.

    Raises:
        MissingDependencyError: If the module cannot be imported.
    """
    import importlib
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f'{module} cannot be imported ({error}); install it with: pip install "avmm[{extra}]"') from error
