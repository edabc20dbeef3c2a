"""Memory that is used again and again: for batches, by a worker and by the process that trains, and within a step."""
from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

# The first page of a block says whether it is in use; the numbers follow.
_HEADER = mmap.PAGESIZE
# Types of torch that lie in blocks.
_NUMPY = {torch.float32: 'float32', torch.float64: 'float64', torch.float16: 'float16', torch.int64: 'int64'}


# Threads may ask at the same time, such as those of a page that answers several visitors.
_lock = threading.Lock()


def _after_fork() -> None:
    """A fork has none of the other threads, one of which may have held the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


class BatchBuffers:
    """Hands out tensors for batches, from blocks of memory that return once a batch is forgotten.

    A fresh block of 32 MB costs thousands of page faults, in the worker that fills it and again in the process that
    reads it, which is more than copying the numbers. So in a worker of a data loader a batch lies in shared memory
    that both sides keep mapped; only a few bytes that say where it is are sent. As soon as no tensor over a block is
    left in the receiving process, the worker may fill it anew. Outside of workers, blocks are private and return the
    same way.

    An object may be pickled and forked; every process has blocks of its own.

    Args:
        limit: Blocks to keep for each name; a further batch gets memory of its own.
        least: Bytes from which on a block is worth keeping.
    """

    def __init__(self, limit: int = 16, least: int = 1):
        self.limit, self.least = limit, least
        self._blocks: dict[str, list[_Block]] = {}
        self._pid = os.getpid()

    def __getstate__(self) -> dict:
        return dict(limit=self.limit, least=self.least, _blocks={}, _pid=-1)

    def empty(self, name: str, shape: Sequence[int], dtype: str | np.dtype | torch.dtype) -> Tensor:
        """An uninitialised tensor, from the blocks that batches called ``name`` share."""
        if self._pid != os.getpid():
            self._blocks, self._pid = {}, os.getpid()
        shape = tuple(map(int, shape))
        if isinstance(dtype, torch.dtype):
            if dtype not in _NUMPY:
                return torch.empty(shape, dtype=dtype)
            dtype = _NUMPY[dtype]
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        shared = get_worker_info() is not None
        if size < max(self.least, 1) or (shared and not _can_share()):
            return torch.from_numpy(np.empty(shape, dtype))
        with _lock:
            block = self._free(name, size, shared)
            if block is None:
                return torch.from_numpy(np.empty(shape, dtype))
            array, lease = block.lend(shape, dtype)
        tensor = torch.from_numpy(array)
        if shared:
            tensor = tensor.as_subclass(_SharedTensor)
            tensor._lease = lease
        return tensor

    def _free(self, name: str, size: int, shared: bool) -> _Block | None:
        """A block of at least ``size`` bytes that nobody uses; None if there are too many."""
        blocks = self._blocks.setdefault(name, [])
        block = next((b for b in blocks if b.size >= size and not b.in_use), None)
        if block is None:
            # A batch larger than those before makes the smaller blocks useless.
            blocks[:] = [b for b in blocks if b.size >= size or b.in_use]
            if len(blocks) >= self.limit:
                return None
            block = _Block.create(size, shared)
            blocks.append(block)
        return block


class _Block:
    """A piece of memory and the byte that says whether somebody uses it."""

    def __init__(self, memory: mmap.mmap, size: int, token: tuple[int, int, int]):
        self.memory, self.size, self.token = memory, size, token

    @classmethod
    def create(cls, size: int, shared: bool) -> _Block:
        length = _HEADER + size
        if not shared:
            memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, 'MADV_HUGEPAGE'):
                # Kernels without huge pages refuse; ordinary ones do as well.
                with contextlib.suppress(OSError):
                    memory.madvise(mmap.MADV_HUGEPAGE)
            return cls(memory, size, (os.getpid(), -1, 0))
        file = os.memfd_create('avmm_batch', os.MFD_CLOEXEC)
        os.ftruncate(file, length)
        return cls(mmap.mmap(file, length), size, (os.getpid(), file, int.from_bytes(os.urandom(6), 'big')))

    @property
    def in_use(self) -> bool:
        return self.memory[0] != 0

    def lend(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, _Lease]:
        """An array over the block, which is free again once the array is gone."""
        self.memory[0] = 1
        # The array itself, not a view of another one, so that a tensor over it keeps this very object.
        array = np.ndarray(shape, dtype, buffer=self.memory, offset=_HEADER)
        lease = _Lease(self, shape, dtype.str)
        end = weakref.finalize(array, lease.end, os.getpid())
        end.atexit = False
        return array, lease


class _Lease:
    """One use of a block."""

    def __init__(self, block: _Block, shape: tuple[int, ...], dtype: str):
        self.block, self.shape, self.dtype = block, shape, dtype
        self.sent = False

    def end(self, pid: int) -> None:
        """Free the block, unless its content was sent elsewhere or this is a fork of the process that uses it."""
        if not self.sent and pid == os.getpid():
            self.block.memory[0] = 0


class _SharedTensor(Tensor):
    """A tensor over a shared block; another process gets an ordinary tensor over the same memory."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __reduce_ex__(self, protocol: int):
        lease = self._lease
        lease.sent = True
        return _receive, (lease.block.token, lease.block.size, lease.shape, lease.dtype)


#: Blocks of other processes that are mapped here.
_received: dict[tuple[int, int, int], _Block] = {}


def _receive(token: tuple[int, int, int], size: int, shape: tuple[int, ...], dtype: str) -> Tensor:
    block = _received.get(token)
    if block is None:
        for other in [t for t in _received if not os.path.exists(f'/proc/{t[0]}')]:
            del _received[other]
        file = os.open(f'/proc/{token[0]}/fd/{token[1]}', os.O_RDWR)
        try:
            block = _received[token] = _Block(mmap.mmap(file, _HEADER + size), size, token)
        finally:
            os.close(file)
    return torch.from_numpy(block.lend(shape, np.dtype(dtype))[0])


def _can_share() -> bool:
    """Whether the parent of this worker can map a block of it: it can if this worker sees the parent's files."""
    return hasattr(os, 'memfd_create') and os.access(f'/proc/{os.getppid()}/fd', os.R_OK | os.X_OK)
