"""Loading steps on video files."""
from __future__ import annotations

import numpy as np
import pytest

from avmm.datasets import AVClipDataset
from avmm.datasets.transforms import LoadAudio, LoadVideoFrames
from avmm.utils import DataError


@pytest.mark.parametrize('backend', ['pillow', 'torch'])
def test_only_the_frames_that_are_used(tmp_path, make_avi, backend):
    path = make_avi(tmp_path / 'v.avi', frames=6)
    results = LoadVideoFrames(sampling='fixed', indices=[1, 4], backend=backend)(dict(video_path=str(path)))
    assert [round(float(np.asarray(f).mean())) for f in results['frames']] == pytest.approx([40, 160], abs=3)
    assert results['frame_indices'].tolist() == [1, 4]
    assert LoadVideoFrames()({}) == {}


def test_a_video_shorter_than_asked(tmp_path, make_avi):
    path = str(make_avi(tmp_path / 'v.avi', frames=2))
    assert len(LoadVideoFrames(4, 'centers')(dict(video_path=path))['frames']) == 4
    with pytest.raises(DataError, match=r'v\.avi: 2 frames, 4 are needed'):
        LoadVideoFrames(4, 'centers', short='error')(dict(video_path=path))


def test_a_video_without_sound_lacks_the_modality(tmp_path, make_avi):
    path = str(make_avi(tmp_path / 'v.avi'))
    assert 'audio' not in LoadAudio()(dict(video_path=path))
    with pytest.raises(DataError, match=r'v\.avi: the video has no sound track'):
        LoadAudio(without_sound='error')(dict(video_path=path))


def test_a_data_set_of_videos(tmp_path, make_avi):
    make_avi(tmp_path / 'a.avi', audio=np.zeros(4000), rate=8000)
    make_avi(tmp_path / 'b.avi')
    (tmp_path / 'list.csv').write_text('a,0\nb,1\n')
    data = AVClipDataset('list.csv', str(tmp_path), layout=dict(video_path='{id}.avi'), pipeline=[
        dict(type='LoadAudio', max_seconds=0.25), dict(type='ResampleAudio', sample_rate=16000),
        dict(type='LoadVideoFrames', num_frames=2), dict(type='PackAVInputs')])
    assert data[0]['inputs']['audio'].shape == (1, 4000) and data[0]['inputs']['visual'].shape == (3, 2, 32, 64)
    assert set(data[1]['inputs']) == {'visual'}
