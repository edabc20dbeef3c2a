"""Videos from cameras, where ``AVMM_REAL_DATA`` has them, and videos of the same kinds otherwise."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from avmm.datasets import AVClipDataset
from avmm.media import NoSoundError, VideoFrames, read_video_audio

PIPELINE = [dict(type='LoadAudio'), dict(type='ResampleAudio', sample_rate=16000), dict(type='LogSpectrogram'),
            dict(type='LoadVideoFrames', num_frames=3, sampling='centers'), dict(type='Resize', size=(32, 48)),
            dict(type='PackAVInputs')]


@pytest.fixture
def clips(tmp_path, make_avi) -> Path:
    """A folder with ``clip_with_sound.avi`` and a clip without sound."""
    real = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'media'
    if real.is_dir():
        return real
    tone = 0.3 * np.sin(np.arange(16000) / 8).astype(np.float32)
    make_avi(tmp_path / 'clip_with_sound.avi', frames=10, audio=tone)
    make_avi(tmp_path / 'clip_silent.avi', frames=10)
    return tmp_path


def silent(clips: Path) -> Path:
    return next(clips.glob('clip_silent.*'))


def test_frames_of_both(clips):
    for path in (clips / 'clip_with_sound.avi', silent(clips)):
        video = VideoFrames(path)
        frames = video.get([0, len(video) // 2, len(video) - 1])
        assert frames.dtype == np.uint8 and frames.shape[0] == 3 and frames.shape[3] == 3
        assert 1 < video.fps < 240
        # A frame does not depend on which others are asked for.
        np.testing.assert_array_equal(video.get([len(video) // 2])[0], frames[1])


def test_sound_of_one(clips):
    samples, rate = read_video_audio(clips / 'clip_with_sound.avi')
    assert samples.dtype == np.float32 and np.abs(samples).max() <= 1 and samples.std() > 0
    resampled, asked = read_video_audio(clips / 'clip_with_sound.avi', sample_rate=8000)
    assert asked == 8000
    assert resampled.shape[1] / 8000 == pytest.approx(samples.shape[1] / rate, rel=0.02)
    with pytest.raises(NoSoundError, match='has no sound track'):
        read_video_audio(silent(clips))


def test_both_in_one_data_set(clips, tmp_path):
    (tmp_path / 'list.csv').write_text(f'clip_with_sound.avi,0\n{silent(clips).name},1\n')
    data = AVClipDataset(ann_file=str(tmp_path / 'list.csv'), data_root=str(clips), layout=dict(video_path='{id}'),
                         classes=('loud', 'silent'), pipeline=PIPELINE, test_mode=True)
    loud, quiet = data[0], data[1]
    assert loud['inputs']['visual'].shape == quiet['inputs']['visual'].shape == (3, 3, 32, 48)
    assert loud['inputs']['audio'].shape[:2] == (1, 257)
    assert 'audio' not in quiet['inputs']
    assert quiet['data_samples'].gt_label == 1
