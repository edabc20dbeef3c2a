"""What logging costs an iteration once many iterations have been logged: our bounded history and mmengine's."""
from __future__ import annotations

import numpy as np
from mmengine.logging import HistoryBuffer

from avmm.engine.logging import BoundedBuffer
from benchmarks.timing import now

#: Four scalars an iteration, a mean of the last ten every tenth: a small training run.
SCALARS, INTERVAL = 4, 10


def aged(kind: type, length: int) -> list:
    """Four buffers that have seen ``length`` values each."""
    if kind is HistoryBuffer:
        return [HistoryBuffer(np.ones(length), np.ones(length, dtype=np.int64)) for _ in range(SCALARS)]
    buffers = [kind() for _ in range(SCALARS)]
    for buffer in buffers:
        for _ in range(length):
            buffer.update(1.0)
    return buffers


class HistoryCase:
    """``iters`` iterations of logging on buffers of a given age."""

    def __init__(self, kind: type, length: int, iters: int):
        self.buffers, self.iters = aged(kind, length), iters

    def __call__(self) -> tuple[float, float]:
        """``(iterations, seconds)`` of one repeat."""
        start = now()
        for i in range(self.iters):
            for buffer in self.buffers:
                buffer.update(0.5)
            if i % INTERVAL == 0:
                for buffer in self.buffers:
                    buffer.mean(INTERVAL)
        return self.iters, now() - start


def cases(lengths: list[int], iters: int) -> dict[str, HistoryCase]:
    """A case for each age and each kind of history."""
    kinds = {'ours': BoundedBuffer, 'mmengine': HistoryBuffer}
    return {f'{name} at {length} iterations': HistoryCase(kind, length, iters)
            for length in lengths for name, kind in kinds.items()}
