"""A made-up data set appears in its place finished, or not at all."""
from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from avmm.utils.errors import ConfigError, DataError


def build_folder(out: str | os.PathLike, name: str, options: dict, fill: Callable[[Path], dict],
                 overwrite: bool = False) -> dict:
    """Make the data set at ``out``: the whole of it or nothing.

    Everything is written into a folder next to ``out``, which takes its name at the very end. A data set with the
    same options is kept as it is.

    Args:
        out: Folder to make.
        name: Name of the data set, for ``meta.json`` and messages.
        options: What decides the content, as plain values.
        fill: Writes the files into the empty folder that it is given, and returns further facts for ``meta.json``.
        overwrite: Whether to replace what is there.

    Returns:
        The content of ``meta.json``: ``dataset``, ``options`` and what ``fill`` returned.

    Raises:
        DataError: If something else is at ``out`` already.
    """
    out = Path(os.path.abspath(out))
    found = find_existing(out, name, options, overwrite)
    if found:
        return found
    sweep(out)
    part = out.with_name(f'.{out.name}.part-{uuid.uuid4().hex[:8]}')
    part.mkdir(parents=True)
    try:
        meta = dict(dataset=name, options=options, **fill(part))
        (part / 'meta.json').write_text(json.dumps(meta, indent=2) + '\n')
        if overwrite and out.exists():
            old = part.with_name(f'{part.name}.old')
            os.rename(out, old)
            os.rename(part, out)
            shutil.rmtree(old)
        else:
            _publish(part, out, name, options)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return meta


def check_ranges(options: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse options that make no data set.

    Args:
        options: Has the attributes that ``ranges`` names.
        ranges: ``{name: (least, greatest value)}``; not a number lies in none.

    Raises:
        ConfigError: With the option as the command line names it.
    """
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise ConfigError(f'--{name.replace("_", "-")} {value}: choose {low} to {high}')


def find_existing(out: Path, name: str, options: dict, overwrite: bool = False) -> dict | None:
    """``meta.json`` of a data set that is there already, None if the place is free or may be overwritten.

    Raises:
        DataError: If something else is there, or the data set with other options that may not be overwritten.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        meta = json.loads((out / 'meta.json').read_text())
        same = meta['options'] == options and meta['dataset'] == name
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f'{out} exists and is no {name} data set; choose another --out') from None
    if overwrite:
        return None
    if not same:
        raise DataError(f'{out} holds {name} with other options ({meta["options"]}); '
                        'choose another --out, or --overwrite')
    return meta


def sweep(out: Path) -> None:
    """Remove what a killed process left next to ``out`` more than an hour ago."""
    for left in out.parent.glob(f'.{out.name}.part-*'):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


def _publish(part: Path, out: Path, name: str, options: dict) -> None:
    """Give the finished folder its name; another process that was faster with the same options wins."""
    try:
        os.rename(part, out)
    except OSError:
        if find_existing(out, name, options) is None:
            raise
