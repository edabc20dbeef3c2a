"""What every test of the framework and of the projects starts from."""
from __future__ import annotations

import os

# Two pytest workers on two cores: a thread pool in each would only get in the other's way.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')

import importlib.util  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.utils import ManagerMixin  # noqa: E402

torch.set_num_threads(1)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers for the whole suite, none for a part of it, where starting them takes longer than the tests."""
    return 2 if list(config.args) == list(config.getini('testpaths')) else 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need a browser where there is none; the summary tells."""
    if not missing_for_browser():
        return
    left_out = [item for item in items if item.get_closest_marker('browser')]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        _note_not_run(config, len(left_out))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells the process that writes the summary."""
    if hasattr(session.config, 'workeroutput'):
        session.config.workeroutput['browser_not_run'] = getattr(session.config, 'browser_not_run', 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """Every worker has collected all tests, and so has the same number."""
    _note_not_run(node.config, getattr(node, 'workeroutput', {}).get('browser_not_run', 0))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Say which tests were not run, and what would make them."""
    count = getattr(config, 'browser_not_run', 0)
    if count:
        terminalreporter.write_line(f'not run: {count} tests in a browser, for want of '
                                    f'{" and ".join(missing_for_browser())}')


def _note_not_run(config: pytest.Config, count: int) -> None:
    config.browser_not_run = max(count, getattr(config, 'browser_not_run', 0))


def missing_for_browser() -> list[str]:
    """What the tests in a browser need and this machine lacks."""
    programs = [name for name in ('chromium', 'chromedriver') if shutil.which(name) is None]
    return programs + [name for name in ('gradio', 'selenium') if importlib.util.find_spec(name) is None]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch):
    """The same seeds for every test, no scope, log or visualizer left from another one, configs without a layout."""
    monkeypatch.delenv('AVMM_DATA', raising=False)
    # Laying out the text of the config, five times a run, would take longer than the rest of a toy run.
    for place in ('yapf.yapflib.yapf_api', 'mmengine.config.config'):
        monkeypatch.setattr(f'{place}.FormatCode', lambda text, **_: (text, False))
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
