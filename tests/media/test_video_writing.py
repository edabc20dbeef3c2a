"""Written videos are read back."""
from __future__ import annotations

import numpy as np
import pytest

from avmm.media import VideoFrames, read_video_audio, write_video
from avmm.utils import ConfigError


@pytest.fixture
def clip():
    """Frames (3, 16, 24, 3) and sound (22050,) of 16-bit levels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (3, 16, 24, 3), np.uint8), (rng.integers(-2**15, 2**15, 22050) / 2**15).astype('f4')


def test_lossless_means_every_pixel_and_sample(clip, tmp_path):
    frames, sound = clip
    write_video(tmp_path / 'clip.mkv', frames, 3, sound, 22050, 'lossless')
    video = VideoFrames(tmp_path / 'clip.mkv')
    assert video.fps == 3 and np.array_equal(video.get(range(3)), frames)
    samples, rate = read_video_audio(tmp_path / 'clip.mkv', 22050, mono=True)
    assert rate == 22050 and np.array_equal(samples, sound[None])


def test_the_form_for_browsers_is_close(clip, tmp_path):
    frames, sound = np.full((8, 32, 48, 3), (200, 60, 30), np.uint8), np.sin(np.arange(44100) / 9).astype('f4') / 2
    write_video(tmp_path / 'clip.mp4', frames, 29.97, np.stack([sound, sound]), 44100)
    video = VideoFrames(tmp_path / 'clip.mp4')
    assert len(video) == 8 and video.fps == pytest.approx(29.97, abs=1e-3)
    assert np.abs(video.get([0, 7]).astype(int) - frames[:2]).max() <= 6
    samples, rate = read_video_audio(tmp_path / 'clip.mp4')
    assert rate == 44100 and len(samples) == 2
    # What AAC puts in front is left out by the reader, so that the sound begins where it did; the end is rounded up.
    assert len(sound) <= samples.shape[1] < len(sound) + 1024
    assert np.abs(samples[:, 2000:40000] - sound[2000:40000]).max() < 0.02


def test_a_video_without_sound_and_wrong_arguments(clip, tmp_path):
    frames, _ = clip
    write_video(tmp_path / 'silent.mp4', frames, 3)
    assert len(VideoFrames(tmp_path / 'silent.mp4')) == 3
    with pytest.raises(ConfigError, match="form must be one of browser, lossless, got 'small'"):
        write_video(tmp_path / 'a.mp4', frames, 3, form='small')
    with pytest.raises(ConfigError, match=r'a\.mp4: H\.264 asks for even sides, the frames have 15 x 24'):
        write_video(tmp_path / 'a.mp4', frames[:, :15], 3)
