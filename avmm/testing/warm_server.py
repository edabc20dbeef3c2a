"""The process behind :mod:`avmm.testing.warm`: it imports large packages once, and forks itself for each script.

It runs as a script of its own, so that its children have no module of AVMM but those that they import.
"""
from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback

_OWN_FOLDER = os.path.realpath(os.path.dirname(__file__))
# What a new interpreter would have on its path before the folder of the script and PYTHONPATH are put in front.
_PLAIN_PATH = [p for p in sys.path if os.path.realpath(p) != _OWN_FOLDER]


def _run(request: dict, files: list[int]) -> None:
    """What a child does; it never returns."""
    os.setsid()
    for number, opened in enumerate([os.open(os.devnull, os.O_RDONLY), *files]):
        os.dup2(opened, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request['env'])
    os.chdir(request['cwd'])
    status = 1
    try:
        status = _status(_execute(request['argv']))
    except KeyboardInterrupt:
        status = 130
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _execute(argv: list[str]):
    """Run ``script arguments...`` or ``-m module arguments...`` and return what it exits with."""
    if 'numpy' in sys.modules:
        # A new process would not draw what its sisters draw.
        sys.modules['numpy'].random.seed()
    more = [p for p in os.environ.get('PYTHONPATH', '').split(os.pathsep) if p]
    is_module = argv[0] == '-m'
    sys.argv = argv[1:] if is_module else argv
    sys.path[:] = [os.getcwd() if is_module else os.path.dirname(os.path.abspath(argv[0])), *more, *_PLAIN_PATH]
    try:
        if is_module:
            runpy.run_module(argv[1], run_name='__main__', alter_sys=True)
        else:
            runpy.run_path(argv[0], run_name='__main__')
    except SystemExit as stop:
        return stop.code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _status(code) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 255
    print(code, file=sys.stderr)
    return 1


def serve(connection: socket.socket) -> None:
    """Answer requests until the other end is closed; then end every child.

    A request is a line of JSON with ``argv``, ``env`` and ``cwd``, and the descriptors of stdout and stderr. The
    answers are lines of JSON: ``[pid]`` to each request, ``[pid, status]`` once a child has ended.
    """
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([connection, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                _say(connection, [pid, os.waitstatus_to_exitcode(status)])
        if connection not in ready:
            continue
        text, files, _, _ = socket.recv_fds(connection, 1 << 16, 2)
        if not text:
            break
        while not text.endswith(b'\n'):
            text += connection.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # A job in the background ignores Ctrl-C, and so would what it starts.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _run(json.loads(text), files)
        for opened in files:
            os.close(opened)
        children.add(pid)
        _say(connection, [pid])
    for pid in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _say(connection: socket.socket, what: list[int]) -> None:
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(json.dumps(what).encode() + b'\n')


if __name__ == '__main__':
    for name in sys.argv[2:]:
        importlib.import_module(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
