from __future__ import annotations

from pathlib import Path

import pytest

from avmm.datasets.preparation import equal_steps, files_by_stem, steps_of_each_second, walk_files
from avmm.utils import DataError


@pytest.mark.parametrize(('count', 'indices'), [
    (300, [0, 29, 59, 89, 119, 149, 179, 209, 239, 269]),
    (32, [0, 2, 5, 8, 11, 14, 17, 20, 23, 26]),
    (20, [0, 1, 3, 5, 7, 9, 11, 13, 15, 17]),
])
def test_ten_frames_at_equal_steps(count, indices):
    # As a reader that counts frames from 1 and keeps the first one besides the multiples of the step.
    step = count // 10
    counted = [0] + [number - 1 for number in range(1, count + 1) if number % step == 0 and number < 10 * step]
    assert list(equal_steps(count, 25.0)) == counted == indices
    assert list(equal_steps(count, 25.0).values()) == [f'frame_{i}.jpg' for i in range(10)]


@pytest.mark.parametrize('count', [1, 9, 10, 19])
def test_too_few_frames(count):
    with pytest.raises(DataError, match=rf'too few frames for 10 \({count}\)'):
        equal_steps(count, 25.0)


def test_frames_of_each_second():
    assert list(steps_of_each_second(70, 29.97)) == [0, 29, 58]
    # Three of each second of 10 frames: every third one, and not the fourth.
    assert list(steps_of_each_second(20, 10.0, kept=3)) == [0, 3, 6, 10, 13, 16]
    with pytest.raises(DataError, match=r'fewer than 3 frames a second \(2.5\)'):
        steps_of_each_second(20, 2.5, kept=3)


def test_files(tmp_path):
    for name in ('b.MP4', 'a.avi', '.hidden.mp4', 'deep/er/c.mp4', 'notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    found = {str(p.relative_to(tmp_path)) for p in walk_files(tmp_path, ('.mp4', '.avi'))}
    assert found == {'b.MP4', 'a.avi', 'deep/er/c.mp4'}
    assert files_by_stem(tmp_path, ('.mp4', )) == {'b': tmp_path / 'b.MP4'}
    with pytest.raises(DataError, match='nothing: the folder cannot be read'):
        files_by_stem(Path(tmp_path, 'nothing'), ('.mp4', ))
