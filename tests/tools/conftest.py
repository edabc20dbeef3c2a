from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from avmm.testing import run_warm

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / 'tools'


@dataclass
class Result:
    status: int
    out: str
    err: str


@pytest.fixture
def run_tool(capsys, monkeypatch, forget_runs):
    """Run a tool as ``python tools/<name> args...`` would, in this process: status, stdout and stderr."""

    def run(name: str, *args) -> Result:
        path = str(TOOLS / name)
        forget_runs()
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
    """Run a tool, or a shell script of the tools, in a process of its own."""

    def run(name: str, *args, **env) -> Result:
        env = dict(os.environ, PYTHON=sys.executable, **env)
        if name.endswith('.sh'):
            done = subprocess.run(['bash', str(TOOLS / name), *map(str, args)], capture_output=True, text=True,
                                  check=False, env=env)
        else:
            done = run_warm([TOOLS / name, *args], env)
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


DIGITS_CONFIG = """
_base_ = [
    '{base}/datasets/av_digits.py', '{base}/models/small_convnet_concat.py', '{base}/schedules/sgd_quick.py',
    '{base}/default_runtime.py']
loader = dict(batch_size=4, num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(val_fraction=0.5), **loader)
val_dataloader = dict(dataset=dict(val_fraction=0.5), **loader)
test_dataloader = loader
model = dict(encoders=dict(audio=dict(widths=(4, 8)), visual=dict(widths=(4, 8))))
param_scheduler = dict(end=8)
train_cfg = dict(max_epochs=1)
default_hooks = dict(learning_curve=None)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
experiment_name = 'tiny_{name}'
"""


@dataclass
class Digits:
    """A data set in the form of AV-Digits, and a config of a tiny quickstart over it, without pictures.

    Attributes:
        root: ``<data folder>/av_digits``, 16 training clips, 8 of them held out for validation, and 6 test clips: one
            jpg and 0.2 s of sound at 22,050 Hz each.
        config: The config; 2 iterations an epoch, no workers, 1 epoch.
        work_dir: A work directory; ``epoch_1.pth`` and the rest of a run of 1 epoch lie there already.
    """
    root: Path
    config: Path
    work_dir: Path

    def wav(self, name: str) -> Path:
        """Sound of a clip."""
        return next(self.root.glob(f'*/audio/*/{name}.wav'))

    def jpg(self, name: str) -> Path:
        """The one frame of a clip."""
        return next(self.root.glob(f'*/video/*/{name}/frame_0.jpg'))

    def saved(self) -> dict[str, bytes]:
        """Every checkpoint of the work directory."""
        return {p.name: p.read_bytes() for p in sorted(self.work_dir.glob('*.pth'))}


def _write_digits(root: Path) -> None:
    import numpy as np
    import soundfile
    from PIL import Image
    rng = np.random.default_rng(0)
    for part, count in (('train', 16), ('test', 6)):
        lines = []
        for i in range(count):
            name, label = f'{part}_{i:02d}', i % 2
            frames, sound = root / part / 'video' / str(label) / name, root / part / 'audio' / str(label)
            frames.mkdir(parents=True)
            sound.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(frames / 'frame_0.jpg')
            soundfile.write(sound / f'{name}.wav', rng.uniform(-0.5, 0.5, 4410), 22050)
            lines.append(f'{name},{label}\n')
        (root / f'{part}.csv').write_text(''.join(lines))


@pytest.fixture(scope='session')
def made_digits(tmp_path_factory):
    """The data, the config and the trained work directory that each :func:`digits` gets a copy of."""
    folder = tmp_path_factory.mktemp('digits')
    _write_digits(folder / 'av_digits')
    (folder / 'tiny.py').write_text(DIGITS_CONFIG.format(base=REPO / 'configs' / '_base_', name='made'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('AVMM_DATA', str(folder))
        patch.setattr(sys, 'argv', ['train.py', str(folder / 'tiny.py'), '--work-dir', str(folder / 'work')])
        patch.setattr(sys, 'path', list(sys.path))
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOLS / 'train.py'), run_name='__main__')
        assert not stop.value.code
    return folder


@pytest.fixture
def digits(made_digits, tmp_path, monkeypatch):
    """:class:`Digits` in the folder of the test, found through ``AVMM_DATA``."""
    shutil.copytree(made_digits / 'av_digits', tmp_path / 'av_digits')
    shutil.copytree(made_digits / 'work', tmp_path / 'work')
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(tmp_path / 'work' / 'epoch_1.pth'))
    config = tmp_path / 'tiny.py'
    config.write_text(DIGITS_CONFIG.format(base=REPO / 'configs' / '_base_', name=uuid.uuid4().hex[:8]))
    monkeypatch.setenv('AVMM_DATA', str(tmp_path))
    return Digits(tmp_path / 'av_digits', config, tmp_path / 'work')
