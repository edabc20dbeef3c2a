"""Checkpoints that load without running code, and that are whole or absent."""
from __future__ import annotations

import contextlib
import errno
import logging
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from avmm.utils import CheckpointError

__all__ = [
    'checkpoint_candidates', 'load_checkpoint', 'load_state_dict', 'plain', 'save_checkpoint', 'write_atomically'
]

_SCALARS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)


def plain(value, where: str = 'checkpoint', drop: bool = False):
    """Copy ``value`` into what ``torch.load(weights_only=True)`` admits: numbers, strings, containers, CPU tensors.

    NumPy scalars become Python's, arrays become tensors; mappings become ``dict``, but an ``OrderedDict`` stays one.

    Args:
        value: What to copy.
        where: Name of the value, for the error.
        drop: Leave out entries that cannot be stored.

    Raises:
        CheckpointError: If something else is inside and ``drop`` is not set.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in _SCALARS:
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biufc':
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        items = {k: plain(v, f'{where}.{k}', drop) for k, v in value.items()}
        items = {k: v for k, v in items.items() if v is not _UNFIT}
        if not isinstance(value, OrderedDict):
            return items
        copy = OrderedDict(items)
        if hasattr(value, '_metadata'):
            copy._metadata = value._metadata
        return copy
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [plain(v, f'{where}[{i}]', drop) for i, v in enumerate(value)]
        items = [v for v in items if v is not _UNFIT]
        return items if isinstance(value, list) else tuple(items) if isinstance(value, tuple) else set(items)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if drop:
        return _UNFIT
    raise CheckpointError(f'{where} is a {type(value).__name__}, which a safe checkpoint cannot hold; '
                          'store numbers, strings, lists, dicts and tensors')


_UNFIT = object()


def save_checkpoint(obj: dict, path: str | os.PathLike) -> None:
    """Write ``obj`` so that ``path`` holds either the whole new file or what it held before.

    Raises:
        CheckpointError: If ``obj`` holds more than plain data, or the file cannot be written (a full disk, no
            permission); nothing that was saved before is lost.
    """
    obj = plain(obj)
    with write_atomically(path) as file:
        torch.save(obj, file)


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike) -> Iterator:
    """Yield a binary file whose content becomes ``path`` in one step at the end.

    The bytes go to a temporary name in the same folder, are forced to the disk, and are renamed.

    Raises:
        CheckpointError: If that fails; the temporary file is gone and ``path`` is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        # torch turns an OSError of the file into a RuntimeError of its zip writer.
        cause = _first_os_error(error)
        if cause is None:
            raise
        remedy = 'free some space' if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else \
            'make the folder writable or choose another work directory'
        raise CheckpointError(f'{path} could not be written ({cause.strerror or cause}); what was saved before is '
                              f'untouched; {remedy} and continue with --resume') from error
    finally:
        temporary.unlink(missing_ok=True)


def _first_os_error(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError):
            return error
        if 'PytorchStreamWriter' in str(error) or 'inline_container' in str(error):
            found = error.__context__ or error.__cause__
            return found if isinstance(found, OSError) else OSError(errno.EIO, 'the write failed')
        error = error.__cause__ or error.__context__
    return None


def _sync_folder(folder: Path) -> None:
    # Not every file system lets a folder be opened; the rename has happened by now.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_checkpoint(path: str | os.PathLike, map_location: str | torch.device | Callable = 'cpu',
                    trust: bool = False) -> dict:
    """Read a checkpoint without running anything that is in it.

    Args:
        path: A file, or an ``http(s)`` address.
        map_location: As in ``torch.load``.
        trust: Let the file create any object, and so run any code, for files of other programs that need it.

    Raises:
        CheckpointError: If the file is absent, torn, not a checkpoint, or needs ``trust``.
    """
    if str(path).startswith(('http://', 'https://')):
        path = _download(str(path))
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such checkpoint')
    with open(path, 'rb') as file:
        zipped = file.read(2) == b'PK'
    if path.stat().st_size == 0 or (zipped and not zipfile.is_zipfile(path)):
        raise CheckpointError(f'{path} is torn: it ends before its last byte was written; use an earlier checkpoint')
    if trust:
        print_log(f'{path} is trusted: it may run code while it loads', 'current', logging.WARNING)
    try:
        content = torch.load(path, map_location=map_location, weights_only=not trust)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read ({error.strerror or error})') from error
    except Exception as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        if not trust and isinstance(error, pickle.UnpicklingError) and (refused or zipped):
            what = refused.group(1) if refused else 'other objects'
            raise CheckpointError(f'{path} holds more than plain data ({what}) and could run code while it loads; if '
                                  'you know where it comes from, pass --trust-checkpoint') from error
        raise CheckpointError(f'{path} is torn or not a checkpoint ({_first_line(error)}); use another') from error
    if not isinstance(content, dict):
        raise CheckpointError(f'{path} holds a {type(content).__name__}, not the dict of a checkpoint')
    return content


def _download(address: str) -> str:
    from urllib.parse import urlparse
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    target = folder / Path(urlparse(address).path).name
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(target), progress=False)
    return str(target)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def load_state_dict(model: nn.Module, state: Mapping[str, Tensor], source: str | os.PathLike = 'the checkpoint',
                    strict: bool = True) -> None:
    """Load ``state`` into ``model``.

    Args:
        model: Takes the weights.
        state: The weights by name; a leading ``module.`` of every name is dropped.
        source: Where the weights come from, for the error.
        strict: Refuse missing and unexpected names; if not set, they are logged. Shapes must agree in any case.

    Raises:
        CheckpointError: One line with the numbers of missing, unexpected and mismatched names and the first of each.
    """
    metadata = getattr(state, '_metadata', None)
    prefix = 'module.' if state and all(k.startswith('module.') for k in state) else ''
    state = OrderedDict((k[len(prefix):], v) for k, v in state.items())
    if metadata is not None and not prefix:
        state._metadata = metadata
    own = model.state_dict()
    shapes = [k for k, v in own.items()
              if k in state and isinstance(v, Tensor) and tuple(v.shape) != tuple(getattr(state[k], 'shape', ()))]
    fitting = OrderedDict((k, v) for k, v in state.items() if k not in set(shapes))
    fitting.__dict__.update(state.__dict__)
    result = model.load_state_dict(fitting, strict=False)
    missing = [k for k in result.missing_keys if k not in set(shapes)]
    unexpected = list(result.unexpected_keys)
    if not (missing or unexpected or shapes):
        return
    details = ', '.join(filter(None, (
        _some('missing', missing), _some('unexpected', unexpected),
        f'{len(shapes)} of another shape (first {shapes[0]}: {tuple(state[shapes[0]].shape)} in the file, '
        f'{tuple(own[shapes[0]].shape)} in the model)' if shapes else '')))
    message = f'{source} does not fit {type(model).__name__}: {details}'
    if strict or shapes:
        raise CheckpointError(f'{message}; is it the checkpoint of this config?')
    print_log(message, 'current', logging.WARNING)


def _some(kind: str, names: list[str]) -> str:
    return f'{len(names)} {kind} (first {names[0]})' if names else ''


def checkpoint_candidates(work_dir: str | os.PathLike, skip: Iterable[str] = ('best_', )) -> list[Path]:
    """Checkpoints of a work directory from which a run may go on, the most likely first.

    That which ``last_checkpoint`` names comes first, then the others by age; :func:`load_checkpoint` tells which of
    them are whole.
    """
    work_dir = Path(work_dir)
    found = sorted((p for p in work_dir.glob('*.pth') if not p.name.startswith(tuple(skip))),
                   key=lambda p: p.stat().st_mtime_ns, reverse=True)
    named = work_dir / 'last_checkpoint'
    if named.is_file():
        last = Path(named.read_text(errors='replace').strip())
        # A work directory may have moved since.
        last = last if last.is_file() else work_dir / last.name
        found = [last, *(p for p in found if p != last)] if last.is_file() else found
    return found
