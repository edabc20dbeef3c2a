"""Preparing CREMA-D."""
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avmm.datasets import CREMAD
from tests.tools.downloads_for_tests import encode, grey_levels, real_folder, snapshot, tone

NAME = 'dataset_converters/cremad.py'
TRAIN = ('1001_IEO_ANG_HI', '1002_IEO_SAD_LO', '1003_DFA_HAP_XX')
TEST = ('1041_TIE_NEU_XX', )
LOADING = [dict(type='LoadAudio'), dict(type='LoadFrames'), dict(type='PackAVInputs')]


def rows(*clips: str) -> str:
    return ''.join(f'{clip},{clip.split("_")[2]}\n' for clip in clips)


@pytest.fixture
def download(tmp_path) -> Path:
    """A repository of four clips, 3 s of video at 10 frames a second, and the lists."""
    root = tmp_path / 'CREMA-D'
    (root / 'AudioWAV').mkdir(parents=True)
    for clip in (*TRAIN, *TEST):
        encode(root / 'VideoFlash' / f'{clip}.flv', 'flv')
        soundfile.write(root / 'AudioWAV' / f'{clip}.wav', tone(2, 16000)[0], 16000)
    (root / 'train.csv').write_text(rows(*TRAIN))
    (root / 'test.csv').write_text(rows(*TEST))
    return root


def report(out: Path) -> dict:
    return json.loads((out / 'preparation.json').read_text())


def test_the_data_set_reads_what_is_made(run_tool, download, tmp_path):
    out = tmp_path / 'cremad'
    result = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert (result.status, result.err) == (0, '')
    assert 'CREMA-D, train: 3 of 3 clips are complete, 3 made now\n' in result.out
    train, test = (CREMAD(data_root=str(out), split=s, pipeline=LOADING) for s in ('train', 'test'))
    assert (len(train), len(test)) == (3, 1) and train.classes[train.labels[1]] == 'SAD'
    assert train[0]['inputs']['audio'].shape == (1, 32000)
    assert train[0]['inputs']['visual'].shape == (3, 1, 48, 64)
    place = 'processed_dataset/test/{}/NEU/1041_TIE_NEU_XX'
    assert (out / f'{place.format("audio")}.wav').read_bytes() == \
        (download / 'AudioWAV' / '1041_TIE_NEU_XX.wav').read_bytes()
    assert grey_levels(out / f'{place.format("visual")}.jpg') < 2  # frame 0 is black
    assert set(snapshot(out)) >= {'train.csv', 'test.csv', 'preparation.json'}
    assert not (out / '.unfinished').exists() and report(out)['complete']


def test_frames_of_each_second(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    assert run_tool(NAME, download, '--out', out, '--workers', 0, '--frames-per-second', 1, '--short-side',
                    24).status == 0
    made = sorted((out / 'Image-01-FPS' / TRAIN[0]).iterdir())
    assert [p.name for p in made] == ['00000.jpg', '00010.jpg', '00020.jpg']
    assert [grey_levels(p) for p in made] == pytest.approx([0, 70, 140], abs=4)
    assert CREMAD(data_root=str(out), pipeline=LOADING)[0]['inputs']['visual'].shape == (3, 1, 24, 32)


def test_what_cannot_be_read_is_dropped_and_reported(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    (download / 'VideoFlash' / f'{TRAIN[0]}.flv').write_text('version https://git-lfs.github.com/spec/v1\noid 1\n')
    (download / 'AudioWAV' / f'{TRAIN[1]}.wav').write_bytes(b'')
    (download / 'VideoFlash' / f'{TEST[0]}.flv').unlink()
    soundfile.write(download / 'AudioWAV' / f'{TRAIN[2]}.wav', tone(0.5, 16000)[0], 16000)
    (download / 'test.csv').write_text(rows(*TEST, TRAIN[2]))
    (download / 'train.csv').write_text(rows(*TRAIN, TRAIN[2]))
    result = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert result.status == 1 and result.err == ''
    assert 'dropped: 4\n       1  ' in result.out and 'noted: 2\n       2  sound: shorter than 1 s\n' in result.out
    reasons = {row['clip']: row['reason'] for row in report(out)['dropped']}
    assert reasons == {
        TRAIN[0]: 'picture: only a pointer of git-lfs was downloaded, "git lfs pull" brings the file '
                  f'[{TRAIN[0]}.flv]',
        TRAIN[1]: f'sound: the file is empty [{TRAIN[1]}.wav]',
        TRAIN[2]: 'listed twice', TEST[0]: 'picture: there is no file'}
    assert (out / 'train.csv').read_text() == (out / 'test.csv').read_text() == rows(TRAIN[2])
    assert report(out)['clips']['train'] == dict(listed=4, complete=1, made_now=1)


def test_what_is_complete_is_not_made_again(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    wav = download / 'AudioWAV' / f'{TRAIN[1]}.wav'
    kept = wav.read_bytes()
    wav.unlink()
    assert run_tool(NAME, download, '--out', out, '--workers', 0).status == 1
    before = snapshot(out / 'processed_dataset')
    wav.write_bytes(kept)
    again = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert again.status == 0 and 'train: 3 of 3 clips are complete, 1 made now' in again.out
    after = snapshot(out / 'processed_dataset')
    new = {name for name in after if after[name] != before.get(name)}
    assert new == {f'processed_dataset/train/{kind}/SAD/{TRAIN[1]}.{suffix}'.removeprefix('processed_dataset/')
                   for kind, suffix in (('audio', 'wav'), ('visual', 'jpg'))}
    assert (out / 'train.csv').read_text() == rows(*TRAIN)


def test_files_that_were_damaged_later(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    assert run_tool(NAME, download, '--out', out, '--workers', 0).status == 0
    audio = out / 'processed_dataset' / 'train' / 'audio'
    (audio / 'ANG' / f'{TRAIN[0]}.wav').write_bytes(b'')
    (audio / 'SAD' / f'{TRAIN[1]}.wav').write_bytes(b'RIFF')
    result = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert result.status == 1 and 'train: 2 of 3 clips are complete, 1 made now' in result.out
    assert '     1  a file in --out is damaged; remove it and start again\n' in result.out
    assert report(out)['dropped'][0]['reason'].startswith(
        f'a file in --out is damaged; remove it and start again [{audio}/SAD/{TRAIN[1]}.wav: ')


def test_another_size_needs_another_folder(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    assert run_tool(NAME, download, '--out', out, '--workers', 0).status == 0
    refused = run_tool(NAME, download, '--out', out, '--workers', 0, '--short-side', 24)
    assert refused.status == 2 and refused.err == (
        f"error: {out}: made with other options ({{'short_side': None, 'frames_per_second': 0}}); "
        'choose another --out, or --overwrite\n')
    assert run_tool(NAME, download, '--out', out, '--workers', 0, '--short-side', 24, '--overwrite').status == 0
    assert CREMAD(data_root=str(out), pipeline=LOADING)[0]['inputs']['visual'].shape == (3, 1, 24, 32)


def test_wav_files_can_be_links(run_tool, download, tmp_path):
    out = tmp_path / 'out'
    assert run_tool(NAME, download, '--out', out, '--workers', 0, '--link').status == 0
    wav = out / 'processed_dataset' / 'train' / 'audio' / 'ANG' / f'{TRAIN[0]}.wav'
    assert os.path.samefile(wav, download / 'AudioWAV' / wav.name)


@pytest.mark.parametrize(('args', 'line'), [
    (['SRC/nothing'], 'SRC/nothing: no such folder; give the folder of the download'),
    (['SRC/AudioWAV'], 'SRC/AudioWAV/VideoFlash: no such folder; the download has it'),
    (['SRC', '--lists', 'SRC/AudioWAV'], 'SRC/AudioWAV/train.csv: the list file is missing'),
    (['SRC', '--out', 'SRC'], '--out SRC: the download is in it; choose another folder'),
    (['SRC', '--out', 'SRC/..'], '--out SRC/..: the download is in it; choose another folder'),
    (['SRC', '--out', 'SRC/AudioWAV'], 'SRC/AudioWAV: it was not made by this command; choose another --out'),
    (['SRC', '--lists', 'OUT'], '--lists OUT: lists of what is complete are written to --out; keep the published '
     'ones in another folder'),
    (['SRC', '--workers', '-1'], '--workers -1: choose 0 or more'),
    (['SRC', '--short-side', '8'], '--short-side 8: choose 16 pixels or more, or 0 to keep the size'),
    (['SRC', '--frames-per-second', '-1'], '--frames-per-second -1: choose 0 (only the first frame) or more'),
])
def test_wrong_arguments(run_tool, download, tmp_path, args, line):
    def fill(text: str) -> str:
        return text.replace('SRC', str(download)).replace('OUT', str(tmp_path / 'out'))

    result = run_tool(NAME, '--out', tmp_path / 'out', '--workers', 0, *map(fill, args))
    assert (result.status, result.err) == (2, f'error: {fill(line)}\n')


def test_nothing_can_be_made(run_tool, download, tmp_path):
    for video in (download / 'VideoFlash').iterdir():
        video.unlink()
    result = run_tool(NAME, download, '--out', tmp_path / 'out', '--workers', 0)
    assert result.status == 2 and result.err == (
        f'error: {download}: none of 4 clips can be made; picture: there is no file '
        f'({tmp_path}/out/preparation.json has all reasons)\n')
    assert not (tmp_path / 'out' / 'train.csv').exists()


def test_the_published_lists(run_tool, download, tmp_path):
    lists = real_folder('data', 'cremad')
    if lists is None:
        lists = download
    result = run_tool(NAME, download, '--lists', lists, '--out', tmp_path / 'out', '--workers', 0)
    listed = {part: (lists / f'{part}.csv').read_text().split() for part in ('train', 'test')}
    there = {part: [line for line in lines if line.split(',')[0] in (*TRAIN, *TEST)] for part, lines in listed.items()}
    assert result.status == int(lists != download), result.err
    for part, lines in there.items():
        assert (tmp_path / 'out' / f'{part}.csv').read_text().split() == lines
        assert f'{part}: {len(lines)} of {len(listed[part])} clips are complete' in result.out
    assert there['test'] == ['1041_TIE_NEU_XX,NEU']
    data = CREMAD(data_root=str(tmp_path / 'out'), split='test', pipeline=LOADING)
    assert np.abs(data[0]['inputs']['audio'].numpy()).max() > 0.3
