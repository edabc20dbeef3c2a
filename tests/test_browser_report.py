"""Where there is no browser, its tests are left out and the summary says so."""
from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / 'conftest.py'


class Item:
    """A test with or without the mark."""

    def __init__(self, browser: bool):
        self.browser = browser

    def get_closest_marker(self, name: str) -> bool:
        return self.browser and name == 'browser'


@pytest.fixture
def config():
    left_out = []
    return SimpleNamespace(left_out=left_out,
                           hook=SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items)))


@pytest.fixture
def lines(config):
    """``lines(hooks)``: what the summary says."""

    def summary(hooks) -> list[str]:
        said = []
        hooks['pytest_terminal_summary'](SimpleNamespace(write_line=said.append), config)
        return said

    return summary


def test_they_are_left_out_and_named(config, lines, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    hooks = runpy.run_path(str(CONFTEST))
    items = [Item(True), Item(False), Item(True)]
    kept = items[1]
    hooks['pytest_collection_modifyitems'](config, items)
    assert items == [kept] and len(config.left_out) == 2
    said, = lines(hooks)
    assert said.startswith('not run: 2 tests in a browser, for want of chromium and chromedriver')


def test_workers_tell_how_many(config, lines, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    hooks = runpy.run_path(str(CONFTEST))
    worker = SimpleNamespace(workeroutput={}, browser_not_run=6)
    hooks['pytest_sessionfinish'](SimpleNamespace(config=worker))
    for _ in range(2):
        hooks['pytest_testnodedown'](SimpleNamespace(config=config, workeroutput=worker.workeroutput), None)
    assert 'not run: 6 tests' in lines(hooks)[0]


def test_with_a_browser_they_are_run(config, lines, monkeypatch):
    import importlib.util
    monkeypatch.setattr(shutil, 'which', lambda name: f'/usr/bin/{name}')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name)
    hooks = runpy.run_path(str(CONFTEST))
    items = [Item(True), Item(False)]
    hooks['pytest_collection_modifyitems'](config, items)
    assert len(items) == 2 and lines(hooks) == []
