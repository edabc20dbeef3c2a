"""Errors that a user can act on: one line that says which file or field, why, and what to do."""
from __future__ import annotations

import re


class AVMMError(Exception):
    """Base of every error that the command-line tools print as one line, without a traceback.

    A data worker hands an error on with its whole traceback as the message. Such an error keeps the line for the user
    alone; ``__cause__`` has the rest.
    """

    def __init__(self, *args, **kwargs):
        line = last_line_of_worker(args[0]) if args and isinstance(args[0], str) else None
        super().__init__(*(args if line is None else (line, *args[1:])), **kwargs)
        if line is not None:
            self.__cause__ = RuntimeError(args[0])


def last_line_of_worker(message: str) -> str | None:
    """The message of an error inside the message that ``torch`` makes of it in a worker; None for any other one.

    Example:
        >>> last_line_of_worker('Caught OSError in DataLoader worker process 0.\\n'
        ...                     'Original Traceback (most recent call last):\\nOSError: a.wav: no such file\\n')
        'a.wav: no such file'
    """
    caught = re.match(r'Caught (\w+) in .*\nOriginal Traceback', message)
    if caught is None:
        return None
    found = re.findall(rf'^(?:[\w.]+\.)?{caught.group(1)}: (.*)$', message, re.MULTILINE)
    return found[-1] if found else None


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
