"""Work that is dealt to processes, of which one may crash."""
from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')
#: Items that wait for each process: enough to keep it busy, few enough to find the one that crashes it.
WAITING = 4


def map_in_processes(function: Callable[[Item], Result], items: Iterable[Item], workers: int,
                     crashed: Callable[[Item], Result]) -> Iterator[Result]:
    """Yield ``function(item)`` of each item, in the order in which they are finished.

    A decoder may crash its process on a damaged file. The items that were under way are then tried one by one, each
    in a process of its own, and for the one that crashes again ``crashed(item)`` is yielded.

    Args:
        function: A function of a module, so that it can be sent to a process.
        items: The items.
        workers: Number of processes; 0 works in this one.
        crashed: Result of an item that crashes its process.
    """
    items = iter(items)
    if workers == 0:
        yield from map(function, items)
        return
    suspects = yield from _until_crash(function, items, workers)
    while suspects:
        for item in suspects:
            if (yield from _until_crash(function, iter([item]), 1)):
                yield crashed(item)
        suspects = yield from _until_crash(function, items, workers)


def _until_crash(function: Callable, items: Iterator, workers: int) -> Generator[object, None, list]:
    """Yield results until ``items`` are at an end or a process crashes; returns the items that were under way."""
    item = next(items, items)
    if item is items:
        return []
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else None
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(method), _start_worker)
    running = {}
    try:
        while item is not items or running:
            if item is not items:
                try:
                    running[pool.submit(function, item)] = item
                except BrokenProcessPool:
                    return [*running.values(), item]
                item = next(items, items)
                if item is not items and len(running) < workers * (1 + WAITING):
                    continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                del running[future]
                yield result
    except BrokenProcessPool:
        return [*running.values(), *([] if item is items else [item])]
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends: a killed one cannot say goodbye."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
