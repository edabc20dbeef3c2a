"""The page of the demo, served by a process of its own, and a browser that looks at it."""
from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from avmm.apis import find_config, init_model
from avmm.media import write_video

REPO = Path(__file__).resolve().parents[2]
# The page, gradio and torch start on a machine that runs other tests at the same time.
PATIENCE = 240


def wait_for(what: Callable, seconds: float = PATIENCE):
    """Ask until the answer is something, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f'nothing for {seconds} s'
        time.sleep(0.1)
    return found


@dataclass
class Demo:
    """A running page.

    Attributes:
        url: Its address.
        folder: Its folder of temporary files.
        process: The process.
        log: What it prints.
    """
    url: str
    folder: Path
    process: subprocess.Popen
    log: Path


def write_work_dirs(root: Path) -> None:
    """Two trained models: a small quickstart, and a localiser with extractors of its own."""
    digits = find_config('av_digits', {'model.encoders.audio.widths': [4, 8], 'model.encoders.visual.widths': [4, 8]})
    events = find_config('cmran_supv_1xb32-10e_ave_synthetic')
    events.custom_imports = dict(imports=['projects.cmran.cmran', 'extractors_for_tests'])
    events.extractors = dict(audio=dict(type='LoudnessOfThePage'), visual=dict(type='ColourOfThePage'))
    for name, cfg in (('digits', digits), ('events', events)):
        (root / name).mkdir(parents=True)
        Config(cfg.to_dict()).dump(root / name / 'config.py')
        torch.save(dict(state_dict=init_model(cfg).state_dict()), root / name / 'epoch_1.pth')


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """The page with :func:`write_work_dirs`, and uploads of at most 1 MB."""
    root = tmp_path_factory.mktemp('demo')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        write_work_dirs(root / 'work_dirs')
    (root / 'tmp').mkdir()
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    log = root / 'log.txt'
    env = dict(os.environ, TMPDIR=str(root / 'tmp'), PYTHONPATH=str(Path(__file__).parent), OMP_NUM_THREADS='1')
    with open(log, 'w') as out:
        process = subprocess.Popen(
            [sys.executable, str(REPO / 'tools' / 'demo' / 'app.py'), '--work-dirs', str(root / 'work_dirs'),
             '--port', str(port), '--max-upload', '1', '--device', 'cpu'],
            stdout=out, stderr=subprocess.STDOUT, env=env, cwd=root)
    try:
        wait_for(lambda: 'Ctrl-C ends it' in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield Demo(f'http://127.0.0.1:{port}', root / 'tmp', process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """A browser without a window, without a profile, that asks nobody for anything by itself."""
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for flag in ('headless', 'no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run',
                 'disable-background-networking', 'disable-component-update', 'disable-sync', 'disable-dev-shm-usage',
                 'window-size=1200,1000', f'user-data-dir={tmp_path_factory.mktemp("profile")}'):
        options.add_argument(f'--{flag}')
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL'})
    service = webdriver.chrome.service.Service(shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope='module')
def videos(tmp_path_factory) -> dict[str, Path]:
    """Files to drop."""
    folder, rng = tmp_path_factory.mktemp('videos'), np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 64, 64, 3), np.uint8)
    sound = rng.uniform(-0.5, 0.5, 66150).astype('f4')
    write_video(folder / 'clip.mp4', frames, 2, sound, 22050)
    write_video(folder / 'silent.mp4', frames, 2)
    (folder / 'broken.mp4').write_bytes(b'not a video' * 100)
    (folder / 'large.mp4').write_bytes(bytes(2 * 2**20))
    return {path.stem: path for path in folder.iterdir()}
