"""Peak memory of a training process and its workers, measured in a process of its own."""
from __future__ import annotations

import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from avmm.utils.cli import one_line
from avmm.utils.errors import ConfigError

#: What the kernel says of a process, in kB: all that is resident, and the part that is not a file's.
FIELDS = {'rss': 'VmRSS', 'anonymous': 'RssAnon'}


def resident(pids: list[int]) -> dict[str, int]:
    """Bytes in memory of some processes together, by the names of ``FIELDS``; those that ended count nothing."""
    total = dict.fromkeys(FIELDS, 0)
    for pid in pids:
        try:
            text = Path(f'/proc/{pid}/status').read_text()
        except OSError:
            continue
        for name, field in FIELDS.items():
            found = re.search(rf'^{field}:\s+(\d+) kB', text, re.MULTILINE)
            total[name] += 1024 * int(found.group(1)) if found else 0
    return total


class PeakMemory:
    """Watches this process and its workers while a block runs.

    Attributes:
        start: Bytes at the beginning, by the names of ``FIELDS``.
        peak: The largest sums that were seen.
    """

    def __enter__(self) -> PeakMemory:
        self._done = threading.Event()
        self.start = self._now()
        self.peak = dict(self.start)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._done.set()
        self._thread.join()

    @staticmethod
    def _now() -> dict[str, int]:
        return resident([os.getpid(), *(child.pid for child in multiprocessing.active_children())])

    def _watch(self) -> None:
        while not self._done.is_set():
            self.peak = {name: max(value, self.peak[name]) for name, value in self._now().items()}
            time.sleep(0.02)


def _child(queue, prepare: Callable, args: tuple, threads: int) -> None:
    import torch
    torch.set_num_threads(threads)
    # Data workers are started as in any other process.
    multiprocessing.set_start_method('fork', force=True)
    try:
        work = prepare(*args)
        with PeakMemory() as memory:
            work()
        queue.put(dict(start=memory.start, peak=memory.peak))
    except Exception as error:  # the parent says it
        queue.put(f'{type(error).__name__}: {one_line(error)}')


def measure(prepare: Callable, args: tuple, threads: int) -> dict:
    """Bytes before and at the peak of ``prepare(*args)()``, run in a fresh process.

    Args:
        prepare: A function of a module, which builds model and data and returns the work. What it leaves in memory
            counts as there before.
        args: Its arguments.
        threads: Threads of torch.

    Raises:
        ConfigError: If this is not Linux, or the process fails.
    """
    if sys.platform != 'linux':
        raise ConfigError('--what memory: the memory of processes is read as Linux shows it; leave it out')
    context = multiprocessing.get_context('spawn')
    queue = context.SimpleQueue()
    process = context.Process(target=_child, args=(queue, prepare, args, threads))
    process.start()
    while queue.empty() and process.is_alive():
        time.sleep(0.05)
    result = 'the process was ended' if queue.empty() else queue.get()
    process.join()
    if isinstance(result, str):
        raise ConfigError(f'--what memory: {result}')
    return result
