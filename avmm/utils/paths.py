"""Where data live, and which paths a data file may name."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from avmm.utils.errors import DataError


def resolve_data_root(data_root: str | os.PathLike) -> Path:
    """Put ``$AVMM_DATA`` in the place of a leading ``data`` of a relative path.

    Example:
        >>> import os; os.environ['AVMM_DATA'] = '/mnt/sets'
        >>> str(resolve_data_root('data/cremad'))
        '/mnt/sets/cremad'
    """
    path = Path(data_root)
    base = os.environ.get('AVMM_DATA')
    if base and not path.is_absolute() and path.parts[:1] == ('data', ):
        return Path(base).joinpath(*path.parts[1:])
    return path


def checked_path(path: str | os.PathLike, data_root: str | os.PathLike,
                 allowed_roots: Iterable[str | os.PathLike] = ()) -> Path:
    """Resolve a path that a data file names, relative to ``data_root``.

    Raises:
        DataError: If it leads outside ``data_root`` and every one of ``allowed_roots``.
    """
    root = Path(data_root).resolve()
    full = (root / path).resolve()
    roots = [root, *(Path(r).resolve() for r in allowed_roots)]
    if not any(full.is_relative_to(r) for r in roots):
        raise DataError(f'{path} lies outside {root}; name its folder in allowed_roots if the data file is trusted')
    return full
