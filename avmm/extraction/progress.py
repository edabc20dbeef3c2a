"""How far an extraction is: a bar on a terminal, a line now and then elsewhere."""
from __future__ import annotations

import sys
import time


class Progress:
    """Counts clips; shows their number, those that failed, clips a second and the time left.

    Args:
        total: Number of clips.
        name: What is being done.
        every: Seconds between two lines where there is no terminal.
        quiet: Whether to leave the bar to another process; lines are written all the same.
    """

    def __init__(self, total: int, name: str = 'extracting', every: float = 10.0, quiet: bool = False):
        self.total, self.name, self.every, self.quiet = total, name, every, quiet
        self.done = self.failed = 0
        self._started = self._shown = time.monotonic()
        self._bar = self._task = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and self.total and not self.quiet:
            from rich import progress
            from rich.console import Console
            self._bar = progress.Progress(
                progress.TextColumn('{task.description}'), progress.BarColumn(), progress.MofNCompleteColumn(),
                progress.TextColumn('{task.fields[rate]}'), progress.TimeRemainingColumn(),
                console=Console(stderr=True), transient=False)
            self._bar.start()
            self._task = self._bar.add_task(self.name, total=self.total, rate='')
        return self

    def step(self, failed: bool = False) -> None:
        """One more clip is through."""
        self.done += 1
        self.failed += failed
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, advance=1, rate=self._rate(now))
        elif not sys.stderr.isatty() and now - self._shown >= self.every:
            self._shown = now
            left = (now - self._started) / self.done * (self.total - self.done)
            print(f'{self.name}: {self.done}/{self.total}, {self._rate(now)}, {_clock(left)} left', file=sys.stderr,
                  flush=True)

    def _rate(self, now: float) -> str:
        failed = f', {self.failed} failed' if self.failed else ''
        return f'{self.done / max(now - self._started, 1e-9):.1f} clips/s{failed}'

    def __exit__(self, kind, error, trace) -> None:
        if self._bar is not None:
            self._bar.stop()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}'
