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
    toy_config(tmp_path / 'work', model=dict(width=8)).dump(config)
    torch.manual_seed(0)
    torch.save(dict(state_dict=ToyAVModel(width=8).state_dict(), meta=dict(epoch=2, classes=('a', 'b'))), checkpoint)
    return config, checkpoint


CLIP_CONFIG = """
default_scope = 'avmm'
pipeline = [
    dict(type='LoadAudio'), dict(type='ResampleAudio', sample_rate=22050),
    dict(type='CropOrRepeatAudio', repeat=2, length=11025), dict(type='LogSpectrogram'),
    dict(type='LoadFrames', num_frames=2), dict(type='RandomResizedCrop', size=16), dict(type='RandomHorizontalFlip'),
    dict(type='PackAVInputs')]
dataset = dict(type='AVClipDataset', data_root='{root}', classes=('cat', 'dog'), pipeline=pipeline,
               layout=dict(audio_path='audio/{{id}}.wav', frame_dir='frames/{{id}}'))
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
                        dataset=dict(ann_file='train.csv', **dataset))
test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                       dataset=dict(ann_file='test.csv', split='test', **dataset))
val_dataloader = None
"""


@pytest.fixture
def clips(tmp_path):
    """A config over six training and two test clips on disk: 16 kHz sound of 0.4 s and three jpgs each."""
    import numpy as np
    import soundfile
    from PIL import Image
    root, rng = tmp_path / 'clips', np.random.default_rng(0)
    names = [f'clip_{i}' for i in range(8)]
    for name in names:
        (root / 'frames' / name).mkdir(parents=True)
        (root / 'audio').mkdir(exist_ok=True)
        soundfile.write(root / 'audio' / f'{name}.wav', rng.uniform(-0.5, 0.5, 6400), 16000)
        for k in range(3):
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(
                root / 'frames' / name / f'frame_{k}.jpg')
    lines = [f'{name},{("cat", "dog")[i % 2]}\n' for i, name in enumerate(names)]
    (root / 'train.csv').write_text(''.join(lines[:6]))
    (root / 'test.csv').write_text(''.join(lines[6:]))
    config = tmp_path / 'clips.py'
    config.write_text(CLIP_CONFIG.format(root=root))
    return config
