"""What every test of the framework and of the projects starts from."""
from __future__ import annotations

import os

# Two pytest workers on two cores: a thread pool in each would only get in the other's way.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')

import random  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.utils import ManagerMixin  # noqa: E402

torch.set_num_threads(1)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers for the whole suite, none for a part of it, where starting them takes longer than the tests."""
    return 2 if list(config.args) == list(config.getini('testpaths')) else 0


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch):
    """The same seeds for every test, and no scope, log or visualizer left from another one."""
    monkeypatch.delenv('AVMM_DATA', raising=False)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    yield
    _forget_runs()


@pytest.fixture
def forget_runs():
    """Call it between two runs in one test, which would share a log if they began in the same second."""
    return _forget_runs


def _forget_runs() -> None:
    for manager in _subclasses(ManagerMixin):
        manager._instance_dict.clear()


def _subclasses(cls: type) -> list[type]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]
