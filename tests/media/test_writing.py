from __future__ import annotations

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from avmm.media import read_audio, replacing, sweep_scratch, write_jpg, write_wav


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / 'deep' / 'a.txt'
    with replacing(target, tmp_path / 'scratch') as path:
        path.write_text('half')
        assert not target.exists()
    assert target.read_text() == 'half' and not list((tmp_path / 'scratch').iterdir())
    with pytest.raises(RuntimeError, match='no more'), replacing(target, tmp_path / 'scratch') as path:
        path.write_text('other')
        raise RuntimeError('no more')
    assert target.read_text() == 'half' and not list((tmp_path / 'scratch').iterdir())


def test_a_folder_replaces_another(tmp_path):
    for names in (('a', 'b'), ('c', )):
        with replacing(tmp_path / 'folder', tmp_path / 'scratch') as path:
            path.mkdir()
            for name in names:
                (path / name).write_text(name)
    assert [p.name for p in (tmp_path / 'folder').iterdir()] == ['c']
    assert not list((tmp_path / 'scratch').iterdir())


def test_only_what_dead_processes_left_is_swept(tmp_path):
    gone = subprocess.run([sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True, text=True)
    here = socket.gethostname()
    names = {f'{here}+{gone.stdout.strip()}+aa': False, f'{here}+{os.getpid()}+bb': True,
             f'another.{here}+{gone.stdout.strip()}+cc': True, 'notes.txt': True}
    for name in names:
        (tmp_path / name).write_text('')
    (tmp_path / f'{here}+{gone.stdout.strip()}+dd').mkdir()
    sweep_scratch(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}
    for name in os.listdir(tmp_path):
        (tmp_path / name).unlink()
    sweep_scratch(tmp_path)
    sweep_scratch(tmp_path)
    assert not tmp_path.exists()


def test_wav_files_are_rounded_and_clipped(tmp_path):
    sound = np.array([[0.0, 0.5, 1.0, -1.0, 1.4 / 32768], [2.0, -2.0, 0.0, 0.0, 1.6 / 32768]], np.float32)
    write_wav(tmp_path / 'a.wav', sound, 16000)
    levels, rate = soundfile.read(tmp_path / 'a.wav', dtype='int16')
    assert rate == 16000
    assert levels.T.tolist() == [[0, 16384, 32767, -32768, 1], [32767, -32768, 0, 0, 2]]
    np.testing.assert_array_equal(read_audio(tmp_path / 'a.wav')[0], levels.T / np.float32(32768))


@pytest.mark.parametrize(('size', 'short_side', 'wanted'), [
    ((1280, 720), 256, (456, 256)), ((720, 1280), 256, (256, 456)), ((320, 240), 256, (320, 240)),
    ((480, 480), 256, (256, 256)), ((340, 256), None, (340, 256)),
])
def test_pictures_are_shrunk(tmp_path, size, short_side, wanted):
    write_jpg(tmp_path / 'a', np.full((size[1], size[0], 3), 90, np.uint8), short_side)
    with Image.open(tmp_path / 'a') as image:
        assert image.format == 'JPEG' and image.size == wanted
        assert abs(int(np.asarray(image).mean()) - 90) <= 1
