"""Preparing Kinetics-Sounds."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avmm.datasets import KineticsSounds
from avmm.media import VideoFrames, read_image_array
from tests.tools.downloads_for_tests import encode, grey_levels, real_folder, snapshot, tone

NAME = 'dataset_converters/kinetics_sounds.py'
CLASSES = KineticsSounds.METAINFO['classes']
BOWLING, SINGING = CLASSES.index('bowling'), CLASSES.index('singing')
LOUD, LOST, STEREO = '--4-0ihtnBU_000058_000068', '00000000000_000001_000011', 'stereo_4567_000003_000013'
TEST = '-3Mwkq-7TV4_2'
LOADING = [dict(type='LoadAudio'), dict(type='LoadFrames', num_frames=10), dict(type='PackAVInputs')]


@pytest.fixture
def download(tmp_path) -> Path:
    """Four videos of 3 s, one of them only among the replacements, and lists with a fifth that is lost."""
    root = tmp_path / 'k400'
    encode(root / 'train' / 'bowling' / f'{LOUD}.mp4', 'mpeg4', sound=tone(3, 44100))
    encode(root / 'train' / f'{STEREO}.mp4', 'mpeg4', sound=tone(3, 44100, channels=2))
    encode(root / 'replacement' / 'replacement_for_corrupted_k400' / f'{TEST[:11]}_000002_000012.mp4', 'mpeg4',
           sound=tone(3, 44100))
    (root / 'annotations').mkdir()
    (root / 'annotations' / 'train.csv').write_text(
        f'label,youtube_id,time_start,time_end,split,is_cc\n"bowling",{LOUD[:11]},58,68,train,0\n'
        f'"singing",{STEREO[:11]},3,13,train,0\n')
    (root / 'my_train.txt').write_text(f'{LOUD},10,{BOWLING}\n{LOST},10,0\n{STEREO},10,{BOWLING}\n')
    (root / 'my_test.txt').write_text(f'{TEST},10,{SINGING}\n')
    return root


def report(out: Path) -> dict:
    return json.loads((out / 'preparation.json').read_text())


def test_the_data_set_reads_what_is_made(run_tool, download, tmp_path):
    out = tmp_path / 'ks'
    result = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert (result.status, result.err) == (1, '')
    assert '     1  picture: there is no file\n' in result.out
    assert '     1  class: the annotations have another one\n' in result.out
    assert report(out)['dropped'] == [dict(clip=LOST, part='train', line=f'{LOST},10,0',
                                           reason='picture: there is no file')]
    assert report(out)['noted'][0]['reason'] == 'class: the annotations have another one (singing)'
    train, test = (KineticsSounds(data_root=str(out), split=s, pipeline=LOADING) for s in ('train', 'test'))
    assert train.labels.tolist() == [BOWLING, BOWLING] and test.labels.tolist() == [SINGING]
    assert (out / 'my_test.txt').read_text() == f'{TEST},10,{SINGING}\n'
    for data in (train, test):
        assert data[0]['inputs']['visual'].shape == (3, 10, 48, 64)
        assert data[0]['inputs']['audio'].shape[1] == pytest.approx(48000, abs=1500)
    folder = out / 'test' / 'video' / 'singing' / TEST[:11]
    assert sorted(p.name for p in folder.iterdir()) == [f'frame_{i}.jpg' for i in range(10)]
    # Of 30 frames the first one and those numbered 3, 6, ... 27, from 1.
    assert [grey_levels(folder / f'frame_{i}.jpg') for i in range(10)] == pytest.approx(
        [7 * i for i in (0, *range(2, 27, 3))], abs=5)


def test_sound_is_that_of_ffmpeg(run_tool, download, tmp_path):
    import av
    out = tmp_path / 'ks'
    run_tool(NAME, download, '--out', out, '--workers', 0)
    made, rate = soundfile.read(out / 'train' / 'audio' / 'bowling' / f'{STEREO}.wav', dtype='int16')
    resampler, parts = av.AudioResampler('s16', 'mono', 16000), []
    with av.open(str(download / 'train' / f'{STEREO}.mp4')) as container:
        for frame in [*container.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    assert rate == 16000 and made.ndim == 1
    np.testing.assert_array_equal(made, np.concatenate(parts))


def test_a_replacement_goes_before_a_corrupted_video(run_tool, download, tmp_path):
    (download / 'test').mkdir()
    (download / 'test' / f'{TEST[:11]}_000002_000012.mp4').write_bytes(b'broken')
    (download / 'train' / f'{STEREO}.mp4').write_bytes(b'broken')
    assert run_tool(NAME, download, '--out', tmp_path / 'ks', '--workers', 0).status == 1
    reasons = {row['clip']: row['reason'] for row in report(tmp_path / 'ks')['dropped']}
    assert reasons == {LOST: 'picture: there is no file',
                       STEREO: f'picture: not a readable video file [{STEREO}.mp4]'}


def test_videos_that_do_not_serve(run_tool, download, tmp_path):
    encode(download / 'train' / f'{LOST}.mp4', 'mpeg4')
    encode(download / 'train' / f'{STEREO}.mp4', 'mpeg4', frames=15, sound=tone(1.5, 44100))
    encode(download / 'train' / 'bowling' / f'{LOUD}.mp4', 'mpeg4', sound=tone(0.5, 44100))
    assert run_tool(NAME, download, '--out', tmp_path / 'ks', '--workers', 0).status == 1
    found = report(tmp_path / 'ks')
    assert {row['clip']: row['reason'] for row in found['dropped']} == {
        LOST: f'sound: the video has no sound track [{LOST}.mp4]',
        STEREO: f'picture: too few frames for 10 (15) [{STEREO}.mp4]'}
    assert found['noted'][0]['clip'] == LOUD
    assert found['noted'][0]['reason'].startswith('sound: shorter than 1 s (0.5')


def test_large_frames_are_shrunk(run_tool, download, tmp_path):
    encode(download / 'train' / f'{STEREO}.mp4', 'mpeg4', size=(360, 480), sound=tone(3, 44100))
    for args, size in (((), (256, 342)), (('--short-side', 0), (360, 480))):
        out = tmp_path / f'ks{len(args)}'
        run_tool(NAME, download, '--out', out, '--workers', 0, *args)
        frame = read_image_array(out / 'train' / 'video' / 'bowling' / STEREO / 'frame_3.jpg')
        assert frame.shape[:2] == size


def test_a_second_command_makes_only_what_is_new(run_tool, download, tmp_path):
    out = tmp_path / 'ks'
    run_tool(NAME, download, '--out', out, '--workers', 0)
    before = {name: time for name, time in snapshot(out).items() if name.endswith(('.jpg', '.wav'))}
    encode(download / 'val' / f'{LOST}.mp4', 'mpeg4', sound=tone(3, 44100))
    again = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert again.status == 0 and 'train: 3 of 3 clips are complete, 1 made now' in again.out
    after = snapshot(out)
    assert len(before) == 33 and all(after[name] == time for name, time in before.items())


@pytest.mark.parametrize(('damage', 'line'), [
    (lambda r: [shutil.rmtree(r / name) for name in ('train', 'replacement')],
     'SRC: no videos (.mp4, .avi, .flv, .mkv, .webm, .mov) in it or below'),
    (lambda r: (r / 'my_test.txt').unlink(), 'SRC/my_test.txt: the list file is missing'),
    (lambda r: (r / 'my_test.txt').write_text('../../../etc,10,1\n'),
     "SRC/my_test.txt:1: '../../../et' is"),
    (lambda r: (r / 'annotations' / 'train.csv').write_text('bowling\n'),
     "SRC/annotations/train.csv:1: a class and a YouTube id are expected, got 'bowling'"),
])
def test_downloads_that_do_not_serve(run_tool, download, tmp_path, damage, line):
    damage(download)
    result = run_tool(NAME, download, '--out', tmp_path / 'ks', '--workers', 0)
    assert result.status == 2 and result.err.count('\n') == 1
    if not line.endswith('is'):
        assert result.err == f'error: {line}\n'.replace('SRC', str(download))


def test_clips_from_cameras(run_tool, download, tmp_path):
    """The real clips under names of the published lists, of which a part will do, where both are there."""
    media, published, lists = real_folder('media'), real_folder('data', 'kinetics_sounds'), download
    if published is not None:
        lists = tmp_path / 'lists'
        lists.mkdir()
        for name in ('my_train.txt', 'my_test.txt'):
            (lists / name).write_text('\n'.join((published / name).read_text().split()[:1000]))
    loud = download / 'train' / 'bowling' / f'{LOUD}.mp4'
    if media is not None:
        loud.unlink()
        loud = shutil.copyfile(media / 'clip_with_sound.avi', loud.with_suffix('.avi'))
        shutil.copyfile(media / 'clip_silent.mp4', download / 'train' / '--6q_33gNew_000132_000142.mp4')
    out = tmp_path / 'ks'
    assert run_tool(NAME, download, '--lists', lists, '--out', out, '--workers', 0).status == 1
    found = report(out)
    for part in ('train', 'test'):
        lines = (lists / f'my_{part}.txt').read_text().split()
        assert found['clips'][part]['listed'] == len(lines)
        kept = (out / f'my_{part}.txt').read_text().split()
        assert kept == [line for line in lines if line in kept] and found['clips'][part]['complete'] == len(kept)
    reasons = {row['clip']: row['reason'] for row in found['dropped']}
    silent = '--6q_33gNew_000132_000142'
    assert reasons.get(silent, '') == (
        f'sound: the video has no sound track [{silent}.mp4]' if media and lists != download else '')
    data = KineticsSounds(data_root=str(out), pipeline=LOADING)
    names = [data.get_data_info(i)['sample_id'] for i in range(len(data))]
    inputs = data[names.index(LOUD)]['inputs']
    video = VideoFrames(loud)
    height, width = video.get([0]).shape[1:3]
    assert inputs['visual'].shape == (3, 10, height, width)
    last = video.get([9 * (len(video) // 10) - 1])[0].transpose(2, 0, 1).astype(int)
    assert np.abs(inputs['visual'][:, 9].numpy() - last).mean() < 4
    assert inputs['audio'].shape[1] == pytest.approx(16000 * len(video) / video.fps, rel=0.03)
