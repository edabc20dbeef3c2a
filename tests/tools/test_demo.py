"""What of tools/demo needs no browser: the choice of models, what the page says, and videos to drop."""
from __future__ import annotations

import os
import re
import runpy
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avmm.media import VideoFrames, read_video_audio, write_video

APP, SAMPLES = 'demo/app.py', 'demo/sample_videos.py'


@pytest.fixture
def app():
    """The names of tools/demo/app.py."""
    return runpy.run_path(str(Path(__file__).resolve().parents[2] / 'tools' / APP))


def test_without_a_model_the_page_names_the_command(run_tool, tmp_path):
    (tmp_path / 'empty').mkdir()
    result = run_tool(APP, '--work-dirs', tmp_path)
    assert (result.status, result.out) == (2, '')
    assert result.err.startswith(f'error: {tmp_path}: no trained model in here') and result.err.count('\n') == 1
    assert 'python tools/train.py configs/quickstart/av_digits.py' in result.err


@pytest.mark.parametrize('arguments', [('--max-upload', '0'), ('--top', '0')])
def test_limits_that_cannot_be(run_tool, arguments):
    result = run_tool(APP, *arguments)
    assert result.status == 2 and 'both must be above 0' in result.err


def test_work_directories_offer_their_best_checkpoint(app, tmp_path):
    for i, name in enumerate(('one/epoch_1.pth', 'one/epoch_2.pth', 'two/epoch_3.pth', 'two/best_1.pth', 'no/a.pth')):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (i, -i if 'two' in name else i))
        if 'no' not in name:
            (path.parent / 'config.py').touch()
    found = app['find_choices'](Namespace(model=[], work_dirs=tmp_path))
    assert [choice.name for choice in found] == ['one (epoch_2.pth)', 'two (best_1.pth)']
    assert found[0].config == str(tmp_path / 'one' / 'config.py')
    named = app['find_choices'](Namespace(model=[['configs/a.py', 'b.pth']], work_dirs=tmp_path))
    assert [(c.name, c.config, c.checkpoint) for c in named] == [('a (b.pth)', 'configs/a.py', 'b.pth')]


def test_what_the_page_says(app, digits, tmp_path):
    choice = app['Choice']('tiny', str(digits.config), str(digits.work_dir / 'epoch_1.pth'))
    lost = app['Choice']('lost', str(digits.config), str(tmp_path / 'lost.pth'))
    models = app['Models']([choice, lost], Namespace(device='cpu', extractors=None))
    video, broken = tmp_path / 'clip.mkv', tmp_path / 'broken.mp4'
    write_video(video, np.zeros((3, 16, 16, 3), np.uint8), 3, np.zeros(22050, 'f4'), 22050, 'lossless')
    broken.write_bytes(b'no video' * 20)
    verdict, line, sound = app['answer_parts'](models, 3, 'tiny', str(video))
    assert re.search(r'<h3 id="verdict">\d <small>', verdict) and verdict.count('avmm-bar') == 9
    assert line == '' and sound.startswith('<img src="data:image/png')
    assert app['answer_parts'](models, 3, 'tiny', None) == ('', '', '')
    # The user does not learn where uploads lie.
    assert '>broken.mp4: not a readable video file<' in app['answer_parts'](models, 3, 'tiny', str(broken))[0]
    assert 'lost.pth' in app['answer_parts'](models, 3, 'lost', str(video))[0]


def test_sample_videos_are_the_clips(run_tool, digits, tmp_path):
    result = run_tool(SAMPLES, digits.config, '--out', tmp_path / 'videos', '--num', '3')
    assert (result.status, result.err) == (0, '') and '3 videos' in result.out
    made = sorted(p.name for p in (tmp_path / 'videos').iterdir())
    assert made == ['test_00_0.mp4', 'test_01_1.mp4', 'test_02_0.mp4']
    video = VideoFrames(tmp_path / 'videos' / 'test_00_0.mp4')
    truth = np.asarray(Image.open(digits.jpg('test_00'))).astype(int)
    assert np.abs(video.get([0])[0] - truth).mean() < 25
    sound, rate = read_video_audio(tmp_path / 'videos' / 'test_00_0.mp4')
    samples, _ = soundfile.read(digits.wav('test_00'))
    assert rate == 22050 and len(samples) <= sound.shape[1] < len(samples) + 1024


def test_sample_videos_of_something_else(run_tool, digits, tmp_path):
    assert 'must be at least 1' in run_tool(SAMPLES, '--num', '0').err
    result = run_tool(SAMPLES, 'projects/cmran/configs/cmran_supv_1xb32-200e_ave.py', '--out', tmp_path / 'videos')
    assert result.status == 2 and result.err.count('\n') == 1
