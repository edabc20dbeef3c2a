from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avmm.datasets import AVDigits
from avmm.utils import DataError
from avmm.utils.embedded import sweep

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'av_digits.py'
NAME = 'dataset_converters/av_digits.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('av_digits_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def small(tool, tmp_path_factory):
    """A data set of 100 clips with two frames, in two blocks of words."""
    out = tmp_path_factory.mktemp('sets') / 'av_digits'
    options = tool.Options(clips=100, frames=2, seconds=0.8)
    return out, options, tool.build(out, options)


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22050)
        return np.frombuffer(sound.readframes(sound.getnframes()), '<i2')


def rows(out: Path, split: str) -> list[tuple[str, int]]:
    return [(name, int(label)) for name, label in (line.split(',') for line in
                                                   (out / f'{split}.csv').read_text().split())]


def test_layout_lists_and_files(small):
    out, _, meta = small
    train, test = rows(out, 'train'), rows(out, 'test')
    assert (len(train), len(test)) == (80, 20) == (meta['sizes']['train'], meta['sizes']['test'])
    assert np.bincount([label for _, label in train]).tolist() == [8] * 10
    assert not {name for name, _ in train} & {name for name, _ in test}
    for split, listed in (('train', train), ('test', test)):
        for name, label in listed:
            assert len(read_wav(out / split / 'audio' / str(label) / f'{name}.wav')) == round(0.8 * 22050)
            folder = out / split / 'video' / str(label) / name
            assert sorted(os.listdir(folder)) == ['frame_0.jpg', 'frame_1.jpg']
            with Image.open(folder / 'frame_1.jpg') as frame:
                assert frame.size == (64, 64) and frame.mode == 'RGB' and np.asarray(frame).std() > 5
    assert json.loads((out / 'meta.json').read_text()) == meta


def test_the_scan_of_a_clip_is_that_of_its_number(small):
    from sklearn.datasets import load_digits
    labels = load_digits().target
    assert all(labels[int(name[-4:])] == label for split in ('train', 'test') for name, label in rows(small[0], split))


def test_no_two_sounds_are_the_same(small):
    sounds = [path.read_bytes() for path in small[0].rglob('*.wav')]
    assert len(set(sounds)) == len(sounds) == 100


def test_train_and_test_share_no_voice_setting(tool):
    from sklearn.datasets import load_digits
    clips = tool.list_clips(load_digits().target, 1797)
    heard = {split: {tuple(c.request(0).values()) for c in clips if c.split == split} for split in ('train', 'test')}
    assert not heard['train'] & heard['test']
    assert sum(c.split == 'test' for c in clips) == 355 and len(clips) == 1797


def test_same_seed_same_content_whatever_the_workers(tool, small, tmp_path):
    out, options, meta = small
    again = tool.build(tmp_path / 'again', options, workers=1)
    assert again['fingerprint'] == meta['fingerprint'] == tool.fingerprint(out)
    other = tool.build(tmp_path / 'other', tool.Options(**{**meta['options'], 'seed': 1}))
    assert other['fingerprint'] != meta['fingerprint']
    name, label = rows(out, 'train')[0]
    place = Path('train', 'audio', str(label), f'{name}.wav')
    assert (read_wav(out / place) == read_wav(tmp_path / 'again' / place)).all()
    assert (read_wav(out / place) != read_wav(tmp_path / 'other' / place)).any()


def test_a_changed_pixel_changes_the_fingerprint(tool, tmp_path):
    meta = tool.build(tmp_path / 'a', tool.Options(clips=50, frames=1))
    frame = next((tmp_path / 'a' / 'test').rglob('*.jpg'))
    Image.new('RGB', (64, 64)).save(frame)
    assert tool.fingerprint(tmp_path / 'a') != meta['fingerprint']


@pytest.mark.parametrize('snr', [-10, 0, 20])
def test_sound_has_the_ratio_asked_for(tool, snr):
    options = tool.Options(audio_snr=snr, seconds=1.0)
    word = np.cos(np.arange(8000) * 0.3).astype(np.float32)
    sound = tool.make_sound(np.pad(word, 500), options, np.random.default_rng(0)).astype(float)
    # The same draws again tell the noise and the place apart, and least squares how much of each is in the sound.
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(22050, dtype=np.float32)
    place = np.zeros(22050)
    start = rng.integers(0, 22050 - 8000 + 1)
    place[start:start + 8000] = word / np.sqrt(np.mean(word**2))
    (speech, hiss), *_ = np.linalg.lstsq(np.stack([place, noise], 1), sound)
    assert 20 * np.log10(speech / hiss) == pytest.approx(snr, abs=0.1)


def test_noise_of_one_modality_leaves_the_other(tool):
    clip, scan = tool.Clip(7, 7, 'train'), np.eye(8) * 16
    quiet, loud = tool.Options(audio_snr=30), tool.Options(audio_snr=-10)
    assert np.array_equal(tool.make_frames(scan, quiet, clip.rng(0, 2)), tool.make_frames(scan, loud, clip.rng(0, 2)))
    clear, noisy = (tool.make_frames(scan, tool.Options(visual_noise=n), clip.rng(0, 2)) for n in (0, 0.5))
    assert np.std(np.diff(noisy[0].astype(float), axis=0)) > 3 * np.std(np.diff(clear[0].astype(float), axis=0))


def test_avmm_does_not_load_the_gpl_library(small):
    assert small[0].exists()
    assert 'espeak' not in Path('/proc/self/maps').read_text()


def test_the_dataset_class_reads_it(small):
    for split, count in (('train', 60), ('val', 20), ('test', 20)):
        dataset = AVDigits(data_root=str(small[0]), split=split, val_fraction=0.25)
        assert len(dataset) == count
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            assert Path(info['audio_path']).is_file() and len(os.listdir(info['frame_dir'])) == 2


def test_what_is_there_is_kept_or_refused(tool, small, run_tool):
    out, options, meta = small
    before = (out / 'train.csv').stat().st_mtime_ns
    assert tool.build(out, options) == meta
    assert (out / 'train.csv').stat().st_mtime_ns == before
    done = run_tool(NAME, '--out', out, '--clips', 100)
    assert done.status == 2 and 'holds AV-Digits with other options' in done.err and done.err.count('\n') == 1


def test_overwrite_replaces_av_digits_alone(tool, tmp_path, run_tool):
    out = tmp_path / 'set'
    assert run_tool(NAME, '--out', out, '--clips', 50, '--frames', 1).status == 0
    done = run_tool(NAME, '--out', out, '--clips', 60, '--frames', 1, '--overwrite')
    assert done.status == 0 and '50 train and 10 test clips' in done.out
    assert os.listdir(tmp_path) == ['set']
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'chapter.tex').write_text('years of work')
    done = run_tool(NAME, '--out', tmp_path / 'thesis', '--overwrite')
    assert done.status == 2 and 'exists and is no AV-Digits data set' in done.err
    assert (tmp_path / 'thesis' / 'chapter.tex').read_text() == 'years of work'


def test_an_error_leaves_nothing(tool, tmp_path, monkeypatch):
    def full_disk(*_args):
        raise OSError(28, 'No space left on device', 'frame_0.jpg')

    monkeypatch.setattr(tool, 'write_clip', full_disk)
    with pytest.raises(OSError, match='No space left'):
        tool.build(tmp_path / 'set', tool.Options(clips=50))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('kill, status', [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_killed_run_leaves_no_half_data_set(tmp_path, kill, status):
    out = tmp_path / 'set'
    # A job in the background of a shell ignores SIGINT, and so would what it starts.
    process = subprocess.Popen([sys.executable, str(TOOL), '--out', str(out)], stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    end = time.monotonic() + 60
    while not any(tmp_path.glob('.set.part-*/*/video/*/*/*.jpg')) and time.monotonic() < end:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(kill)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert not out.exists()
    left = list(tmp_path.iterdir())
    assert bool(left) == (kill == signal.SIGKILL)


def test_old_leftovers_of_a_killed_run_are_removed(tool, tmp_path):
    for name, age in (('.set.part-old', 7200), ('.set.part-new', 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age, ) * 2)
    sweep(tmp_path / 'set')
    assert os.listdir(tmp_path) == ['.set.part-new']


def test_without_the_speech_package(run_tool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'espeakng_loader', None)
    done = run_tool(NAME, '--out', tmp_path / 'set')
    assert done.status == 2 and 'pip install "avmm[quickstart]"' in done.err and done.err.count('\n') == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('arguments, message', [
    (['--clips', '49'], r'--clips 49: choose 50'),
    (['--clips', '2000'], r'to 1797'),
    (['--frames', '0'], r'--frames 0: choose 1'),
    (['--seconds', '0.1'], r'--seconds 0.1: choose 0.3'),
    (['--audio-snr', 'nan'], r'--audio-snr nan: give a number'),
    (['--visual-noise', '-1'], r'--visual-noise -1.0: choose 0'),
    (['--seed', '-1'], r'--seed -1: choose 0'),
])
def test_options_that_make_no_sense(run_tool, tmp_path, arguments, message):
    done = run_tool(NAME, '--out', tmp_path / 'set', *arguments)
    assert done.status == 2 and message in done.err and done.err.count('\n') == 1
    assert os.listdir(tmp_path) == []


def test_what_espeak_cannot_say_is_an_error(tool):
    with pytest.raises(DataError, match="espeak-ng failed: espeak-ng has no voice 'nobody'"):
        tool.speak([dict(text='one', voice='nobody', rate=170, pitch=50)])
