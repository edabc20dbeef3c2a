"""Batches that are written straight into shared memory."""
from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import torch
from torch import Tensor, multiprocessing
from torch.utils.data import get_worker_info

# Smaller tensors gain nothing, and one write takes less than 2 GiB.
_SIZES = range(1 << 12, 1 << 30)
_DTYPES = (torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)


def can_stack_shared(values: Sequence[Tensor]) -> bool:
    """Whether :func:`stack_shared` takes these tensors of one shape and type, and is of use here: in a worker."""
    first = values[0]
    return (get_worker_info() is not None and multiprocessing.get_sharing_strategy() == 'file_descriptor'
            and first.dtype in _DTYPES and first.nbytes in _SIZES
            and all(type(v) is Tensor and v.device.type == 'cpu' and v.is_contiguous() and not v.requires_grad
                    for v in values))


def stack_shared(values: Sequence[Tensor]) -> Tensor:
    """The numbers of ``torch.stack``, in shared memory, which crosses to another process as it is.

    Where a stack fills mapped memory, the system first clears every page of 4 KiB and maps it. Writing to the file
    behind the memory does neither and takes half the time.

    Raises:
        OSError: If the shared memory is full; filling mapped memory would end the process instead.
    """
    size = values[0].nbytes
    # The storage of shared tensors, as DataLoader makes it; torch has no public name for it.
    storage = torch.UntypedStorage._new_shared(size * len(values))
    file, _ = storage._share_fd_cpu_()
    for row, value in enumerate(values):
        if _write(file, value, row * size) != size:
            raise OSError(errno.ENOSPC, 'the shared memory is full (/dev/shm); take fewer workers or smaller batches, '
                          'or give it more space (docker: --shm-size)')
    return torch.empty(0, dtype=values[0].dtype).set_(storage, 0, (len(values), *values[0].shape))


def _write(file: int, value: Tensor, offset: int) -> int:
    """Write a tensor and return the bytes that there was room for."""
    try:
        return os.pwrite(file, value.numpy(), offset)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 0
