"""Plain pickles in which there are tensors, read without running anything that is in them."""
from __future__ import annotations

import io
import os
import pickle
from typing import Any, BinaryIO

import torch
from torch import Tensor

from avmm.utils import DataError
from avmm.utils.safe_pickle import RestrictedUnpickler, guarded, open_checked


def _storage(content: bytes) -> torch.storage.TypedStorage:
    loaded = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    if not isinstance(loaded, torch.storage.TypedStorage):
        raise pickle.UnpicklingError('a tensor without numbers of its own')
    return loaded


def _tensor(storage: torch.storage.TypedStorage, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    flat = torch.tensor([], dtype=storage.dtype).set_(storage)
    # It refuses what reaches beyond the storage.
    return flat.as_strided(tuple(size), tuple(stride), offset)


class _TensorUnpickler(RestrictedUnpickler):

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.admitted.update({'torch.storage._load_from_bytes': _storage, 'torch._utils._rebuild_tensor_v2': _tensor,
                              'torch.Size': tuple})


def load_tensor_pickle(path: str | os.PathLike) -> Any:
    """Read what ``pickle.dump`` made of arrays, plain values and tensors, which come to the CPU.

    Raises:
        DataError: If the file is missing, torn, or asks for anything else.
    """
    with open_checked(path, DataError) as file:
        return guarded(path, DataError, _TensorUnpickler(file).load)


def as_text(name: Any) -> str:
    """A name that was kept as bytes, or as the text that Python prints for bytes."""
    if isinstance(name, bytes):
        return name.decode()
    name = str(name)
    return name[2:-1] if name[:2] in ("b'", 'b"') and name[-1:] == name[1:2] else name
