"""Fair timing: warm-up, cases in turn, medians and spreads."""
from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from avmm.utils.errors import ConfigError

#: One repeat of a case: does its work and returns ``(samples, seconds)``, or samples alone to be timed from outside.
Repeat = Callable[[], 'float | tuple[float, float]']


@dataclass
class Timing:
    """Repeats of one case.

    Attributes:
        seconds: Seconds for one sample, in each repeat.
    """
    seconds: list[float]

    @property
    def median(self) -> float:
        """Median seconds for one sample."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method='inclusive')
        return (high - low) / 2 / self.median

    def report(self) -> dict:
        """The figures, for a JSON file."""
        return dict(samples_per_s=1 / self.median, ms_per_sample=1e3 * self.median, spread=self.spread,
                    repeats_ms=[1e3 * s for s in self.seconds])


def cpu_seconds() -> float:
    """Processor seconds of this process and of the worker processes that it has started.

    Raises:
        ConfigError: If there are workers and the system, not being Linux, does not show their time.
    """
    workers = multiprocessing.active_children()
    if workers and sys.platform != 'linux':
        raise ConfigError('--clock cpu sees worker processes on Linux only; add --workers 0')
    ended = os.times()
    # Linux has a clock for each process, whose number is made from the process id.
    return (time.process_time() + ended.children_user + ended.children_system
            + sum(time.clock_gettime((~worker.pid << 3) | 2) for worker in workers))


class _Clock:
    """Seconds of the wall, or of the processor."""

    read = staticmethod(time.perf_counter)


def now() -> float:
    """Seconds on the chosen clock."""
    return _Clock.read()


def use_clock(name: str) -> None:
    """Choose ``'wall'``, or ``'cpu'``: processor seconds, which a busy machine disturbs less."""
    _Clock.read = staticmethod({'wall': time.perf_counter, 'cpu': cpu_seconds}[name])


def settle(pause: float = 0.02, patience: float = 10.0) -> None:
    """Wait until the worker processes rest, at most ``patience`` s.

    Workers read ahead: those of one case would go on in the time of the next.
    """
    if not multiprocessing.active_children() or sys.platform != 'linux':
        return
    end = time.perf_counter() + patience
    before = cpu_seconds()
    while time.perf_counter() < end:
        time.sleep(pause)
        after = cpu_seconds()
        if after - before < pause / 20:
            return
        before = after


def synchronise() -> None:
    """Wait for the GPU, if there is one in use."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def in_turn(cases: dict[str, Repeat], repeats: int, warm_up: int = 1) -> dict[str, Timing]:
    """Time every case ``repeats`` times, one after the other in every round.

    What disturbs a machine for a while (heat, a neighbour) then disturbs all cases alike. The order turns round with
    every round, so that no case always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(warm_up + repeats):
        order = list(cases) if turn % 2 == 0 else list(reversed(cases))
        for name in order:
            settle()
            synchronise()
            start = now()
            done = cases[name]()
            synchronise()
            samples, taken = done if isinstance(done, tuple) else (done, now() - start)
            if turn >= warm_up:
                seconds[name].append(taken / samples)
    return {name: Timing(values) for name, values in seconds.items()}


def ratio(base: Timing, other: Timing) -> float:
    """Median over the rounds of the seconds of ``other`` over those of ``base``: above 1, ``base`` is the faster."""
    return statistics.median(b / a for a, b in zip(base.seconds, other.seconds, strict=True))
