"""Embedded data are made once, by the converter that the config names."""
from __future__ import annotations

import threading
import time

import pytest
from mmengine.config import Config

from avmm.utils import DataError
from avmm.utils.prepare import prepare_data

SCRIPT = ("import pathlib, sys\nout = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
          "out.mkdir(parents=True)\n(out / 'made').write_text(' '.join(sys.argv[3:]))\n")


@pytest.fixture
def task(tmp_path, monkeypatch):
    (tmp_path / 'make.py').write_text(SCRIPT)
    monkeypatch.setenv('AVMM_DATA', str(tmp_path / 'data'))
    return Config(dict(prepare_data=dict(script='make.py', creates='data/toy', args=['--level', 3])))


def test_made_when_absent_and_left_alone_when_there(task, tmp_path):
    prepare_data(task, tmp_path)
    made = tmp_path / 'data' / 'toy' / 'made'
    assert made.read_text() == '--level 3'
    made.write_text('mine')
    prepare_data(task, tmp_path)
    assert made.read_text() == 'mine'


def test_a_config_without_embedded_data_makes_nothing(tmp_path):
    prepare_data(Config(dict()), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_converter_that_fails_is_named(task, tmp_path):
    (tmp_path / 'make.py').write_text('raise SystemExit(3)')
    with pytest.raises(DataError, match=r'toy: make\.py could not make it'):
        prepare_data(task, tmp_path)


def test_other_ranks_wait_for_the_first(task, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    waiting = threading.Thread(target=prepare_data, args=(task, tmp_path), daemon=True)
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive() and not (tmp_path / 'data').exists()
    (tmp_path / 'data' / 'toy').mkdir(parents=True)
    waiting.join(5)
    assert not waiting.is_alive()
