"""Python scripts in processes of their own that need not wait for the import of torch and mmengine."""
from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

# Packages that nearly every script imports; nothing of AVMM, so that a script runs what lies on the disk now.
PACKAGES = ('torch', 'torch.distributed', 'torch.utils.data', 'torch.utils.tensorboard', 'torchvision', 'h5py',
            'mmengine.runner')


class WarmProcess:
    """A process that :func:`start_warm` has started; it has the methods of ``subprocess.Popen`` that tests use.

    Attributes:
        pid: Its number, which is also that of its process group.
        args: Script and arguments.
        returncode: Its status once :meth:`poll` or :meth:`wait` has seen its end; ``-N`` if signal N ended it.
    """

    def __init__(self, server: _Server, pid: int, args: list[str], files: Sequence[IO[str]] = ()):
        self._server, self.pid, self.args, self._files = server, pid, args, files
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The status, or None as long as it runs."""
        if self.returncode is None:
            self.returncode = self._server.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: After ``timeout`` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, ...]:
        """Wait for its end and return what it has written to stdout and to stderr.

        Raises:
            subprocess.TimeoutExpired: After ``timeout`` seconds.
        """
        self.wait(timeout)
        texts = []
        for file in self._files:
            file.seek(0)
            texts.append(file.read())
            file.close()
        return tuple(texts)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that forks, and what it has told so far."""

    def __init__(self):
        self.owner = os.getpid()
        self.connection, theirs = socket.socketpair()
        plain = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name('warm_server.py')), str(theirs.fileno()), *PACKAGES],
            pass_fds=[theirs.fileno()], env=dict(plain, CUDA_VISIBLE_DEVICES=''), start_new_session=True)
        theirs.close()
        self.text, self.started, self.ended = b'', [], {}

    def start(self, request: dict, files: Sequence[int]) -> int:
        text = json.dumps(request).encode() + b'\n'
        sent = socket.send_fds(self.connection, [text], list(files))
        self.connection.sendall(text[sent:])
        while not self.started:
            self._listen()
        return self.started.pop()

    def status(self, pid: int) -> int | None:
        self.connection.setblocking(False)
        try:
            self._listen()
        except BlockingIOError:
            pass
        finally:
            self.connection.setblocking(True)
        return self.ended.pop(pid, None)

    def _listen(self) -> None:
        text = self.connection.recv(1 << 16)
        if not text:
            raise RuntimeError(f'the process that starts others has ended with status {self.process.wait()}')
        *lines, self.text = (self.text + text).split(b'\n')
        for line in lines:
            pid, *status = json.loads(line)
            if status:
                self.ended[pid] = status[0]
            else:
                self.started.append(pid)

    def close(self) -> None:
        if os.getpid() == self.owner:
            self.connection.close()
            self.process.wait()


@cache
def _server(process: int) -> _Server:
    """The server of this process; one that was forked off has none yet."""
    server = _Server()
    atexit.register(server.close)
    return server


def start_warm(argv: Sequence, env: dict[str, str] | None = None, cwd: str | os.PathLike | None = None,
               output: int | None = None) -> WarmProcess:
    """Start ``python argv...`` as the fork of a process that has imported torch and mmengine already.

    The process is the leader of a session of its own, reads nothing, heeds Ctrl-C, and has no module but those
    packages. The first call in a process takes some seconds, further ones none. What still runs when the calling
    process ends is killed.

    Args:
        argv: A script and its arguments, or ``-m``, a module and its arguments.
        env: The environment; by default that of this process, as it is now.
        cwd: The folder it starts in; by default the present one.
        output: Descriptor of the file for what it prints and for its errors; by default
            :meth:`WarmProcess.communicate` returns both.
    """
    args = [str(a) for a in argv]
    server = _server(os.getpid())
    # communicate() closes them.
    files = [tempfile.TemporaryFile('w+') for _ in range(2)] if output is None else []  # noqa: SIM115
    request = dict(argv=args, env=dict(os.environ if env is None else env), cwd=str(cwd or os.getcwd()))
    pid = server.start(request, [file.fileno() for file in files] or [output, output])
    return WarmProcess(server, pid, args, files)


def run_warm(argv: Sequence, env: dict[str, str] | None = None, cwd: str | os.PathLike | None = None,
             timeout: float = 300) -> subprocess.CompletedProcess:
    """Like ``subprocess.run([sys.executable, *argv], capture_output=True, text=True)``, by :func:`start_warm`.

    Raises:
        subprocess.TimeoutExpired: If it is not done after ``timeout`` seconds; it is killed.
    """
    process = start_warm(argv, env, cwd)
    try:
        out, err = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
