"""Models that old programs saved whole, with their classes: their tensors, without their code."""
from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from avmm.utils.errors import CheckpointError
from avmm.utils.safe_pickle import InertObject, RestrictedUnpickler, guarded, open_checked

# First number of a file that torch wrote before it wrote zip archives.
_MAGIC = 0x1950a86a20f9469cfc6c
_PROTOCOL = 1001
_DTYPES = {'Float': torch.float32, 'Double': torch.float64, 'Half': torch.float16, 'BFloat16': torch.bfloat16,
           'Long': torch.int64, 'Int': torch.int32, 'Short': torch.int16, 'Char': torch.int8, 'Byte': torch.uint8,
           'Bool': torch.bool}
# Layers are inert too: of a model, only the tensors are wanted.
_LAYERS = ('torch.nn.modules.', 'torch.nn.backends.thnn.')


class _StorageType:
    """Stands for ``torch.FloatStorage`` and its kin."""

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype


class _Holder(InertObject):
    """A parameter of torch 0.3, which is a variable around a tensor."""

    source = 'torch.autograd.Variable'

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True, *args):
        super().__init__()
        self.data = data

    def tensor(self) -> Tensor | None:
        """The tensor, from the constructor or from the state."""
        if self.data is None and isinstance(self.state, tuple) and len(self.state) == 5:
            return self.state[0]
        return self.data


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    # A storage may be a view of another one, and as_strided counts from the first number of that. It refuses what
    # reaches beyond it.
    return storage.as_strided(tuple(size), tuple(stride), storage.storage_offset() + offset)


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def _backend(*_: Any) -> None:
    return None


class TorchUnpickler(RestrictedUnpickler):
    """Restricted unpickler that also rebuilds tensors.

    Args:
        file: Binary file.
        storage: Gives the tensor ``(n,)`` of a storage from its dtype, key and number of elements.
        inert: Dotted names of the classes of the model, and prefixes that end with a dot.
    """

    def __init__(self, file: BinaryIO, storage: Callable[[torch.dtype, str, int], Tensor], inert: Iterable[str] = ()):
        super().__init__(file, (*inert, *_LAYERS), encoding='latin1')
        self.storage = storage
        self.admitted.update({
            'torch._utils._rebuild_tensor': _rebuild_tensor,
            'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
            'torch._utils._rebuild_parameter': _rebuild_parameter,
            'torch.nn.parameter.Parameter': _Holder,
            'torch.autograd.variable.Variable': _Holder,
            'torch.nn.backends.thnn._get_thnn_function_backend': _backend,
            'torch.Size': tuple,
            **{f'torch.{place}{name}Storage': _StorageType(dtype)
               for name, dtype in _DTYPES.items() for place in ('', 'cuda.')}})

    def persistent_load(self, pid: Any) -> Any:
        """A storage, or the class of a layer, which comes with its source text."""
        kind = pid[0] if isinstance(pid, tuple) and pid else None
        if kind == 'module' and len(pid) == 4:
            return pid[1]
        if kind != 'storage' or len(pid) not in (5, 6) or not isinstance(pid[1], _StorageType):
            raise pickle.UnpicklingError('it refers to data that is no tensor')
        storage = self.storage(pid[1].dtype, str(pid[2]), int(pid[4]))
        if len(pid) == 6 and pid[5] is not None:
            _, offset, size = pid[5]
            return storage[offset:offset + size]
        return storage


def load_torch_pickle(path: str | os.PathLike, inert: Iterable[str] = ()) -> Any:
    """Read a file of ``torch.save``, of torch 0.3 to now; nothing in it is run.

    Args:
        path: The file.
        inert: Dotted names of the classes of a model that was saved whole, as ``'models.att_Net'``.

    Returns:
        What was saved, a module as an :class:`InertObject`.

    Raises:
        CheckpointError: If the file is missing, torn, or asks for anything but tensors, arrays, plain values, layers
            of torch and the named classes; one line names the file and the global.
    """
    path = Path(path)
    with open_checked(path, CheckpointError) as file:
        zipped = file.read(2) == b'PK'
        file.seek(0)
        read = _read_zip if zipped else _read_legacy
        return guarded(path, CheckpointError, lambda: read(file, tuple(inert)))


def _read_zip(file: BinaryIO, inert: tuple[str, ...]) -> Any:
    with zipfile.ZipFile(file) as archive:
        # A compressed member could grow without bound; torch never compresses.
        names = {info.filename: info for info in archive.infolist() if info.compress_type == zipfile.ZIP_STORED}
        root = next((name[:-len('data.pkl')] for name in names if name.endswith('/data.pkl')), None)
        if root is None:
            raise pickle.UnpicklingError('there is no data.pkl in the archive')
        if archive.read(root + 'byteorder').strip() == b'big' if root + 'byteorder' in names else False:
            raise pickle.UnpicklingError('it was written on a big-endian machine')
        storages: dict[str, Tensor] = {}

        def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
            if key not in storages:
                content = archive.read(names[f'{root}data/{key}'])
                storages[key] = _from_bytes(content, dtype, count)
            return storages[key]

        with archive.open(root + 'data.pkl') as pickled:
            return TorchUnpickler(pickled, storage, inert).load()


def _read_legacy(file: BinaryIO, inert: tuple[str, ...]) -> Any:
    def plain() -> Any:
        return RestrictedUnpickler(file).load()

    if plain() != _MAGIC or plain() != _PROTOCOL:
        raise pickle.UnpicklingError('it is no file of torch.save')
    if not plain().get('little_endian', True):
        raise pickle.UnpicklingError('it was written on a big-endian machine')
    size = os.fstat(file.fileno()).st_size
    storages: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        # The content follows behind the pickle, so room is made here.
        if key not in storages:
            if not 0 <= count * dtype.itemsize <= size:
                raise pickle.UnpicklingError(f'a storage of {count} numbers does not fit the file')
            storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key]

    result = TorchUnpickler(file, storage, inert).load()
    for key in plain():
        target = storages[str(key)]
        count, = struct.unpack('<q', file.read(8))
        if count != target.numel():
            raise pickle.UnpicklingError(f'the storage {key} has another length than the pickle says')
        target.copy_(_from_bytes(file.read(count * target.dtype.itemsize), target.dtype, count))
    return result


def _from_bytes(content: bytes, dtype: torch.dtype, count: int) -> Tensor:
    if count < 0 or len(content) < count * dtype.itemsize:
        raise pickle.UnpicklingError('a storage is shorter than the pickle says')
    if count == 0:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(content), dtype=dtype, count=count)


def inert_state_dict(module: InertObject) -> dict[str, Tensor]:
    """Parameters and buffers of a module that :func:`load_torch_pickle` has read, under the names of ``state_dict``.

    Raises:
        CheckpointError: If the object is no module.
    """
    found: OrderedDict[str, Tensor] = OrderedDict()
    _collect(module, '', found, ())
    return dict(found)


def _collect(module: Any, prefix: str, found: dict[str, Tensor], above: tuple[int, ...]) -> None:
    state = getattr(module, 'state', None)
    if not isinstance(state, dict) or '_parameters' not in state or id(module) in above:
        raise CheckpointError(f'{prefix.rstrip(".") or "the object"} in the pickle is no module of torch')
    for group in ('_parameters', '_buffers'):
        for name, value in _entries(state.get(group)):
            value = value.tensor() if isinstance(value, _Holder) else value
            if isinstance(value, Tensor):
                found[prefix + name] = value
    for name, child in _entries(state.get('_modules')):
        if child is not None:
            _collect(child, f'{prefix}{name}.', found, (*above, id(module)))


def _entries(group: Any) -> Iterable[tuple[str, Any]]:
    return group.items() if isinstance(group, Mapping) else ()
