"""A run that is asked to stop finishes its iteration first."""
from __future__ import annotations

import os
import signal
import threading

__all__ = ['Interrupted', 'StopSignals', 'init_worker']


class Interrupted(SystemExit):
    """The run was told to stop and has saved its state; the exit status is the usual 128 plus the signal.

    Args:
        signum: The signal, ``SIGINT`` or ``SIGTERM``.
    """

    def __init__(self, signum: int):
        super().__init__(128 + signum)
        self.signum = signum


class StopSignals:
    """Notes SIGINT and SIGTERM while it is entered; a second one acts at once.

    Outside the main thread, where Python admits no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._previous[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *_) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()

    def _note(self, signum: int, frame) -> None:
        if self.received is not None:
            if signum == signal.SIGINT:
                raise KeyboardInterrupt
            raise Interrupted(signum)
        self.received = signum


def init_worker(worker_id: int, num_workers: int, rank: int, seed: int) -> None:
    """Seed a data worker, and leave the answer to a signal that reaches the whole process group to its parent."""
    from mmengine.dataset import worker_init_fn
    worker_init_fn(worker_id, num_workers, rank, seed, disable_subprocess_warning=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):
        # Blocked here and so in every later thread; the waiting thread sees who sent it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_parent_asks, daemon=True).start()


def _end_when_parent_asks() -> None:
    while True:
        if signal.sigwaitinfo({signal.SIGTERM}).si_pid == os.getppid():
            os._exit(0)
