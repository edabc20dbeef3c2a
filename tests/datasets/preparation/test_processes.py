from __future__ import annotations

import os
import signal
import time

import pytest

from avmm.datasets.preparation import map_in_processes

CRASHING = (7, 23)


def square(number: int) -> int:
    if number in CRASHING:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def broken(number: int) -> int:
    if number == 5:
        raise OSError(28, 'No space left on device', 'somewhere')
    return number


def own_process(number: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_one_process_keeps_the_order():
    assert list(map_in_processes(square, [3, 1, 2], 0, str)) == [9, 1, 4]
    assert set(map_in_processes(own_process, range(3), 0, str)) == {os.getpid()}


def test_items_are_dealt_to_processes():
    assert os.getpid() not in set(map_in_processes(own_process, range(20), 2, str))
    assert list(map_in_processes(own_process, [], 2, str)) == []


@pytest.mark.filterwarnings('ignore:This process:DeprecationWarning')
def test_items_that_crash_their_process_are_found():
    results = list(map_in_processes(square, range(30), 2, lambda item: f'{item} crashed'))
    assert sorted(r for r in results if isinstance(r, str)) == ['23 crashed', '7 crashed']
    assert sorted(r for r in results if not isinstance(r, str)) == [n * n for n in range(30) if n not in CRASHING]


def test_an_error_ends_the_work():
    with pytest.raises(OSError, match='No space left'):
        list(map_in_processes(broken, range(50), 2, str))


def test_who_stops_early_leaves_no_process():
    import multiprocessing
    results = map_in_processes(own_process, range(1000), 2, str)
    next(results)
    results.close()
    assert not multiprocessing.active_children()
