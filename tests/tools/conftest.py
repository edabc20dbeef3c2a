from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@dataclass
class Result:
    status: int
    out: str
    err: str


@pytest.fixture
def run_tool(capsys, monkeypatch):
    """Run a tool as ``python tools/<name> args...`` would, in this process: status, stdout and stderr."""

    def run(name: str, *args) -> Result:
        path = str(TOOLS / name)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        monkeypatch.setattr(sys, 'path', list(sys.path))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(path, run_name='__main__')
        out, err = capsys.readouterr()
        return Result(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture
def run_process():
    """Run a tool in a process of its own."""

    def run(name: str, *args) -> Result:
        done = subprocess.run([sys.executable, str(TOOLS / name), *map(str, args)], capture_output=True, text=True,
                              check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def toy(tmp_path):
    """The files of a toy run that has not been trained: a config, and a checkpoint of fresh weights."""
    import torch

    from avmm.testing import ToyAVModel, toy_config
    config, checkpoint = tmp_path / 'toy.py', tmp_path / 'toy.pth'
    toy_config(tmp_path / 'work').dump(config)
    torch.manual_seed(0)
    torch.save(dict(state_dict=ToyAVModel().state_dict(), meta=dict(epoch=2, classes=('a', 'b'))), checkpoint)
    return config, checkpoint
