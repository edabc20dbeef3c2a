"""tools/infer.py: JSON lines, exit status, and the same scores as tools/test.py."""
from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from avmm.media import write_video


def video_of(digits, name: str, path):
    """The clip ``name`` of the data set as a video of the very same pixels and samples."""
    sound, rate = soundfile.read(digits.wav(name), dtype='float32')
    write_video(path, np.asarray(Image.open(digits.jpg(name)))[None], 5, sound, rate, 'lossless')
    return path


@pytest.fixture
def videos(digits, tmp_path):
    (tmp_path / 'videos').mkdir()
    return [video_of(digits, f'test_{i:02d}', tmp_path / 'videos' / f'test_{i:02d}.mkv') for i in range(3)]


def test_scores_are_those_of_a_test(run_tool, digits, videos, tmp_path):
    weights = digits.work_dir / 'epoch_1.pth'
    tested = run_tool('test.py', digits.config, weights, '--work-dir', tmp_path / 'test', '--out', tmp_path / 'p.npz')
    assert tested.status == 0
    result = run_tool('infer.py', digits.config, weights, tmp_path / 'videos', '--device', 'cpu', '--batch-size', '2')
    assert (result.status, result.err) == (0, '')
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert [a['file'] for a in answers] == list(map(str, videos))
    with np.load(tmp_path / 'p.npz') as file:
        rows = {name: i for i, name in enumerate(file['sample_id'])}
        for answer, video in zip(answers, videos, strict=True):
            row = rows[video.stem]
            for kind, key in (('joint', 'pred_score'), ('audio', 'score_audio'), ('visual', 'score_visual')):
                assert np.allclose(answer['scores'][kind], file[key][row], atol=1e-6)
    assert len({tuple(a['scores']['joint']) for a in answers}) == 3


def test_lines_into_a_file_with_pictures(run_tool, digits, videos, tmp_path):
    out = tmp_path / 'new' / 'lines.jsonl'
    result = run_tool('infer.py', digits.config, digits.work_dir / 'epoch_1.pth', '--device', 'cpu', '--top', '1',
                      '--out', out, '--pictures', tmp_path / 'pictures', videos[0], videos[1])
    assert (result.status, result.out, result.err) == (0, '', '')
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(a['top']['joint']) for a in answers] == [1, 1]
    assert sorted(p.name for p in (tmp_path / 'pictures').iterdir()) == ['test_00.png', 'test_01.png']


def test_status_of_a_broken_file(run_tool, digits, videos, tmp_path):
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(bytes(100))
    arguments = (digits.config, digits.work_dir / 'epoch_1.pth', broken, videos[0], '--device', 'cpu')
    result = run_tool('infer.py', *arguments)
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert (result.status, result.err) == (1, '1 file could not be used\n')
    assert lines[0] == dict(file=str(broken), error=f'{broken}: not a readable video file') and 'label' in lines[1]
    stopped = run_tool('infer.py', *arguments, '--fail')
    assert (stopped.status, stopped.out) == (2, '')
    assert stopped.err == f'error: {broken}: not a readable video file\n'


def test_names_from_standard_input_and_no_checkpoint(run_tool, digits, videos, monkeypatch):
    monkeypatch.setattr(sys, 'stdin', io.StringIO(f'{videos[0]}\n\n{videos[1]}\n'))
    result = run_tool('infer.py', digits.config, '-', '--device', 'cpu')
    assert result.status == 0 and len(result.out.splitlines()) == 2
    assert result.err == 'no checkpoint: the weights are fresh, and the answers mean nothing\n'


@pytest.mark.parametrize(('arguments', 'message'), [
    (['av_digits'], 'no files to look at'),
    (['av_digits', 'a.mp4', '--batch-size', '0'], '--batch-size 0: must be at least 1'),
    (['av_digits', 'a.mp4', '--out', 'a.txt'], '--out a.txt: must end in .jsonl'),
    (['av_digits', 'a.mp4', '--attention'], '--extractors and --attention are for event localisers'),
    (['av_digit', 'a.mp4'], 'did you mean av_digits'),
    (['--models', 'no_such*'], '--models no_such*: no model is called so'),
    (['av_digits', '{empty}'], 'the folder holds no videos'),
])
def test_mistakes_are_one_line(run_tool, tmp_path, arguments, message):
    result = run_tool('infer.py', *[a.format(empty=tmp_path) for a in arguments])
    assert (result.status, result.out) == (2, '')
    assert result.err.startswith('error: ') and message in result.err and result.err.count('\n') == 1


def test_list_of_models(run_tool):
    result = run_tool('infer.py', '--models', 'av_digits*', '--task', 'classification')
    assert result.out.splitlines()[0] == 'av_digits  Audio-visual classification' and result.status == 0
    assert len(result.out.splitlines()) == 4


def test_a_localiser_on_features(run_tool, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / 'a.npz', audio=rng.random((10, 128)), visual=rng.random((10, 3, 3, 512)))
    result = run_tool('infer.py', 'cmran_supv_1xb32-10e_ave_synthetic', tmp_path / 'a.npz', '--attention', '--device',
                      'cpu')
    answer = json.loads(result.out)
    assert result.status == 0 and len(answer['segments']['joint']) == 10
    assert np.shape(answer['attention']['spatial']) == (10, 3, 3)
