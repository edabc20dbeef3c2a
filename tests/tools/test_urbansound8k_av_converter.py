"""Preparing UrbanSound8K-AV."""
from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avmm.datasets import UrbanSound8KAV
from tests.tools.downloads_for_tests import real_folder, tone

NAME = 'dataset_converters/urbansound8k_av.py'
CLASSES = UrbanSound8KAV.METAINFO['classes']
LOADING = [dict(type='LoadAudio'), dict(type='LoadFrames'), dict(type='PackAVInputs')]


@pytest.fixture
def download(tmp_path) -> Path:
    """Two to four clips of the ten classes."""
    root = tmp_path / 'download' / 'UrbanSound8K-AV'
    rng = np.random.default_rng(0)
    for index, label in enumerate(CLASSES):
        for kind in ('vision', 'sound'):
            (root / f'Dataset_v3_{kind}' / label).mkdir(parents=True)
        for i in range(2 + index % 3):
            clip = f'{100 + i}-{index}-0-{i}'
            small = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8))
            small.resize((32, 40)).save(root / 'Dataset_v3_vision' / label / f'{clip}.jpg')
            soundfile.write(root / 'Dataset_v3_sound' / label / f'{clip}.wav', tone(0.1, 22050)[0], 22050)
    return root


def clips(out: Path, split: str, **options) -> list[str]:
    data = UrbanSound8KAV(data_root=str(out), split=split, **options)
    return [data.get_data_info(i)['sample_id'] for i in range(len(data))]


def report(out: Path) -> dict:
    return json.loads((out / 'preparation.json').read_text())


def test_the_split_file_says_what_the_data_set_does_without_it(run_tool, download, tmp_path):
    out = tmp_path / 'us8k'
    result = run_tool(NAME, download.parent, '--out', out, '--workers', 0)
    assert (result.status, result.err) == (0, '')
    for split in ('train', 'test'):
        listed = clips(out, split, ann_file='split.csv')
        assert listed == clips(out, split) == clips(download, split) and len(listed) > 5
        data = UrbanSound8KAV('split.csv', data_root=str(out), split=split, pipeline=LOADING)
        assert data[0]['inputs']['visual'].shape == (3, 1, 40, 32) and data[0]['inputs']['audio'].shape == (1, 2205)
    for path in download.rglob('*.*'):
        assert (out / path.relative_to(download)).read_bytes() == path.read_bytes()


def test_a_dropped_clip_does_not_move_the_others(run_tool, download, tmp_path):
    first, lonely = '100-1-0-0', 'only_heard'
    whole = {split: clips(download, split) for split in ('train', 'test')}
    (download / 'Dataset_v3_sound' / 'car_horn' / f'{first}.wav').unlink()
    (download / 'Dataset_v3_vision' / 'siren' / '100-8-0-0.jpg').write_bytes(b'broken')
    soundfile.write(download / 'Dataset_v3_sound' / 'siren' / f'{lonely}.wav', tone(0.1, 22050)[0], 22050)
    out = tmp_path / 'us8k'
    result = run_tool(NAME, download, '--out', out, '--workers', 0)
    assert result.status == 1 and 'dropped: 3\n' in result.out
    reasons = {row['clip']: row['reason'] for row in report(out)['dropped']}
    assert reasons == {first: 'sound: there is no file', lonely: 'picture: there is no file',
                       '100-8-0-0': 'picture: not a readable image file [100-8-0-0.jpg]'}
    for split, before in whole.items():
        assert clips(out, split, ann_file='split.csv') == [c for c in before if c not in reasons]


def test_options(run_tool, download, tmp_path):
    out = tmp_path / 'us8k'
    assert run_tool(NAME, download, '--out', out, '--workers', 0, '--link', '--short-side', 16,
                    '--train-fraction', 0.5, '--order', 'folder').status == 0
    path = Path('car_horn', '100-1-0-0')
    linked = [Path(f'Dataset_v3_{kind}', f'{path}.{suffix}') for kind, suffix in (('sound', 'wav'), ('vision', 'jpg'))]
    assert os.path.samefile(out / linked[0], download / linked[0])
    with Image.open(out / linked[1]) as image:
        assert image.size == (16, 20)
    rows = [line.split(',') for line in (out / 'split.csv').read_text().split()]
    for label in CLASSES:
        names = [Path(n).stem for n in os.listdir(download / 'Dataset_v3_vision' / label)]
        assert [clip for clip, of, _ in rows if of == label] == names
    assert sum(part == 'train' for _, _, part in rows) == pytest.approx(len(rows) / 2, abs=1)


def test_pictures_of_other_kinds_become_jpg(run_tool, download, tmp_path):
    folder = download / 'Dataset_v3_vision' / 'siren'
    with Image.open(folder / '100-8-0-0.jpg') as image:
        image.save(folder / '100-8-0-0.png')
    (folder / '100-8-0-0.jpg').unlink()
    assert run_tool(NAME, download, '--out', tmp_path / 'us8k', '--workers', 0).status == 0
    with Image.open(tmp_path / 'us8k' / 'Dataset_v3_vision' / 'siren' / '100-8-0-0.jpg') as image:
        assert image.format == 'JPEG'


@pytest.mark.parametrize(('damage', 'args', 'line'), [
    (lambda r: shutil.rmtree(r / 'Dataset_v3_sound'), [], 'SRC/Dataset_v3_sound: no such folder; the download has it'),
    (lambda r: shutil.rmtree(r / 'Dataset_v3_vision' / 'siren'), [],
     'SRC/Dataset_v3_vision/siren: the folder cannot be read (No such file or directory)'),
    (lambda r: [p.unlink() for p in (r / 'Dataset_v3_vision' / 'siren').iterdir()], [],
     'SRC/Dataset_v3_vision/siren: no pictures'),
    (lambda r: None, ['--train-fraction', 1], '--train-fraction 1.0: choose a number between 0 and 1'),
])
def test_downloads_that_do_not_serve(run_tool, download, tmp_path, damage, args, line):
    damage(download)
    result = run_tool(NAME, download, '--out', tmp_path / 'us8k', '--workers', 0, *args)
    assert (result.status, result.err) == (2, f'error: {line}\n'.replace('SRC', str(download)))
    assert not (tmp_path / 'us8k').exists()


def test_a_frame_and_the_sound_of_a_camera(run_tool, download, tmp_path):
    """A frame and the sound of the real clip as a siren, where it is there; of an encoded one elsewhere."""
    from avmm.media import VideoFrames, read_video_audio, write_jpg, write_wav
    from tests.tools.downloads_for_tests import encode
    media = real_folder('media')
    video = media / 'clip_with_sound.avi' if media else encode(tmp_path / 'v.avi', 'mpeg4', sound=tone(1, 44100, 2))
    frame = VideoFrames(video).get([5])[0]
    samples, rate = read_video_audio(video)
    write_jpg(download / 'Dataset_v3_vision' / 'siren' / '000.jpg', frame)
    write_wav(download / 'Dataset_v3_sound' / 'siren' / '000.wav', samples, rate)
    assert run_tool(NAME, download, '--out', tmp_path / 'us8k', '--workers', 0).status == 0
    data = UrbanSound8KAV('split.csv', data_root=str(tmp_path / 'us8k'), pipeline=LOADING)
    item = next(data[i] for i in range(len(data)) if data.get_data_info(i)['sample_id'] == '000')
    assert item['inputs']['visual'].shape == (3, 1, *frame.shape[:2])
    np.testing.assert_allclose(item['inputs']['audio'][0].numpy(), samples.mean(0), atol=1e-4)
