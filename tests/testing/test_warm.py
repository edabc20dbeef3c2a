"""A script in a warm process behaves as in a process of its own."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avmm.testing import run_warm, start_warm, warm

LOOK = """
import json, os, sys
print(json.dumps(dict(argv=sys.argv, path=sys.path, cwd=os.getcwd(), name=__name__, env=dict(os.environ),
                      own=[m for m in sys.modules if m.split('.')[0] in ('avmm', 'pytest', 'projects')],
                      torch='torch' in sys.modules, typed=sys.stdin.read(), leader=os.getpgid(0) == os.getpid())))
"""


@pytest.fixture
def script(tmp_path):
    """Write a script and return its path."""

    def write(text: str):
        path = tmp_path / 'code' / 'script.py'
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_what_a_script_finds(script, tmp_path):
    path = script(LOOK)
    found = json.loads(run_warm([path, '--number', 3], env=dict(PYTHONPATH='/one:/two', COLOUR='blue'),
                                cwd=tmp_path).stdout)
    assert found['argv'] == [str(path), '--number', '3'] and found['name'] == '__main__'
    assert found['path'][:3] == [str(path.parent), '/one', '/two']
    assert not any(p.endswith('avmm/testing') for p in found['path'])
    assert found['cwd'] == str(tmp_path) and found['env']['COLOUR'] == 'blue' and 'HOME' not in found['env']
    assert found['torch'] and not found['own'] and found['typed'] == '' and found['leader']


def test_a_module(script, tmp_path):
    path = script('import sys; print(__name__, sys.argv[1:])')
    assert run_warm(['-m', 'script', 'a'], cwd=path.parent).stdout == "__main__ ['a']\n"


@pytest.mark.parametrize('text', [
    'print(1)', 'import sys; sys.exit(3)', 'raise SystemExit("no more")', 'import sys; sys.exit()',
    'import atexit; atexit.register(print, "last"); print("first")', 'import os; os.kill(os.getpid(), 9)',
    'import threading; threading.Thread(target=print, args=("thread",)).start()'])
def test_it_ends_as_a_new_interpreter_does(script, text):
    path = script(text)
    cold = subprocess.run([sys.executable, path], capture_output=True, text=True)
    warm = run_warm([path])
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def test_an_error_shows_its_traceback(script):
    done = run_warm([script('def broken():\n    1 / 0\nbroken()')])
    assert done.returncode == 1
    assert 'line 2, in broken' in done.stderr and done.stderr.endswith('ZeroDivisionError: division by zero\n')


def test_numbers_drawn_without_a_seed_differ(script):
    path = script('import random, numpy; print(numpy.random.rand(), random.random())')
    first, second = (run_warm([path]).stdout.split() for _ in range(2))
    assert not set(first) & set(second)


def test_signals_and_time_limits(script, tmp_path):
    path = script('import time\nprint("up", flush=True)\ntime.sleep(60)')
    with pytest.raises(subprocess.TimeoutExpired):
        run_warm([path], timeout=0.2)
    log = tmp_path / 'log'
    with open(log, 'w') as file:
        processes = [start_warm([path], output=file.fileno()) for _ in range(2)]
    while log.read_text() != 'up\nup\n':
        time.sleep(0.01)
    assert [p.poll() for p in processes] == [None, None]
    processes[0].send_signal(signal.SIGTERM)
    os.killpg(processes[1].pid, signal.SIGKILL)
    assert [p.wait(10) for p in processes] == [-signal.SIGTERM, -signal.SIGKILL]
    assert processes[0].poll() == -signal.SIGTERM


def test_ctrl_c_arrives(script):
    path = script('import pathlib, sys, time\ntry:\n    pathlib.Path(sys.argv[1]).touch()\n    time.sleep(60)\n'
                  'except KeyboardInterrupt:\n    print("heard")')
    process = start_warm([path, path.with_name('up')])
    while not path.with_name('up').exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(10) == ('heard\n', '') and process.returncode == 0


def test_nothing_is_left_behind(script, tmp_path):
    """What is started ends with the process that started it."""
    path = script('import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)')
    log = tmp_path / 'log'
    code = ('import sys, time, warm\nwarm.PACKAGES = ()\nfile = open(sys.argv[2], "w")\n'
            'warm.start_warm([sys.argv[1]], output=file.fileno())\n'
            'while not open(sys.argv[2]).read(): time.sleep(0.01)')
    # The file alone, without the imports of its package.
    subprocess.run([sys.executable, '-c', code, path, log], check=True,
                   env=dict(os.environ, PYTHONPATH=str(Path(warm.__file__).parent)))
    end = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(int(log.read_text()), 0)
            time.sleep(0.05)
