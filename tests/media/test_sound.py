"""Sound of videos and of audio files, whole and in parts."""
from __future__ import annotations

import math
import time

import numpy as np
import pytest
import soundfile
import torch

from avmm.media import NoSoundError, fourier_resampling, read_sound, read_video_audio, resample, resampling
from avmm.media.fourier_resampling import _BLOCK
from avmm.utils import ConfigError, DataError

RATE = 16000


def noise(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * np.convolve(rng.standard_normal(int(seconds * RATE)), np.ones(6), 'same')).clip(-1, 1)


@pytest.fixture(params=['a.mp4', 'a.mkv', 'a.avi', 'pcm.mkv', 'a.wav', 'a.flac', 'a.ogg'])
def file(request, tmp_path, clip_tools):
    path = tmp_path / request.param
    sound = noise(4)
    if path.suffix in ('.mp4', '.mkv', '.avi'):
        codec = 'pcm_s16le' if path.stem == 'pcm' else 'libmp3lame' if path.suffix == '.avi' else 'aac'
        return clip_tools.write(path, 100, sound=sound, audio_codec=codec,
                                codec='mpeg4' if path.suffix == '.avi' else 'libx264')
    soundfile.write(path, sound, RATE)
    return path


def test_a_part_is_that_of_the_whole(file):
    whole, rate = read_sound(file)
    assert rate == RATE and whole.dtype == np.float32 and whole.shape[0] == 1
    assert whole.shape[1] == pytest.approx(4 * RATE, abs=2500)
    for start, duration in ((0.0, 0.5), (0.2, 1.0), (1.37, 0.9), (3.1, None)):
        first = round(start * RATE)
        last = None if duration is None else first + round(duration * RATE)
        part, _ = read_sound(file, start=start, duration=duration)
        np.testing.assert_allclose(part, whole[:, first:last], atol=2e-4)


def test_beyond_the_end_there_is_less_or_nothing(file):
    part, _ = read_sound(file, start=3.5, duration=9.0)
    assert 0.4 * RATE < part.shape[1] < 0.7 * RATE
    with pytest.raises(DataError, match=rf'{file.name}: the sound ends before 77 s'):
        read_sound(file, start=77)


def test_only_the_part_is_decoded(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mp4', 25, sound=noise(120))

    def seconds(**part) -> float:
        start = time.process_time()
        read_sound(path, **part)
        return time.process_time() - start

    assert min(seconds(start=100, duration=1) for _ in range(3)) < 0.3 * min(seconds() for _ in range(3))


def test_channels_and_rates(tmp_path):
    left, right = np.sin(np.arange(44100) / 9), np.zeros(44100)
    soundfile.write(tmp_path / 's.wav', 0.5 * np.stack([left, right], 1), 44100)
    both, rate = read_sound(tmp_path / 's.wav', 16000)
    assert rate == 16000 and both.shape == (2, 16000) and np.abs(both[1]).max() == 0
    mono, _ = read_sound(tmp_path / 's.wav', 16000, mono=True, resampling='kaiser_best')
    assert mono.shape == (1, 16000)
    wanted = 0.25 * np.sin(np.arange(16000) * 44100 / 16000 / 9)
    np.testing.assert_allclose(mono[0, 500:-500], wanted[500:-500], atol=1e-4)


def test_sound_that_begins_after_the_picture_has_silence_before_it(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mkv', 50, sound=noise(1) + 0.2, delay=0.5, audio_codec='pcm_s16le')
    sound, _ = read_sound(path)
    assert np.abs(sound[0, :7900]).max() == 0 and np.abs(sound[0, 8100:9000]).mean() > 0.1
    assert sound.shape[1] == pytest.approx(1.5 * RATE, abs=20)
    np.testing.assert_allclose(read_sound(path, start=0.9, duration=0.2)[0], sound[:, 14400:17600], atol=1e-6)
    assert read_sound(path, start=0.1, duration=0.2)[0].shape == (1, 3200)


def test_sound_longer_or_shorter_than_the_picture(tmp_path, clip_tools):
    for seconds in (0.6, 3.0):
        path = clip_tools.write(tmp_path / 'a.mp4', 50, sound=noise(seconds))
        assert read_sound(path)[0].shape[1] == pytest.approx(seconds * RATE, abs=2100)


def test_a_video_without_sound_and_broken_files(tmp_path, clip_tools):
    with pytest.raises(NoSoundError, match=r'a\.mp4: the video has no sound track'):
        read_sound(clip_tools.write(tmp_path / 'a.mp4', 12))
    path = clip_tools.spoil(clip_tools.write(tmp_path / 'b.mp4', 12, sound=noise(2)), 'audio', 9)
    with pytest.raises(DataError, match=r'b\.mp4: the sound track cannot be decoded'):
        read_sound(path)
    (tmp_path / 'c.wav').write_text('not a sound' * 9)
    with pytest.raises(DataError, match=r'c\.wav: not a readable audio file'):
        read_sound(tmp_path / 'c.wav')
    soundfile.write(tmp_path / 'c.wav', noise(0.1), RATE)
    data = (tmp_path / 'c.wav').read_bytes()
    (tmp_path / 'c.wav').write_bytes(data[:20] + b'\xcd\xab' + data[22:])
    with pytest.raises(DataError, match=r'c\.wav: not a readable audio file'):
        read_sound(tmp_path / 'c.wav')
    (tmp_path / 'd.mp4').touch()
    with pytest.raises(DataError, match=r'd\.mp4: the file is empty'):
        read_sound(tmp_path / 'd.mp4')


def test_a_file_of_another_kind_than_its_name_says(tmp_path, clip_tools):
    clip_tools.write(tmp_path / 'a.mp4', 12, sound=noise(1))
    (tmp_path / 'a.mp4').rename(tmp_path / 'a.wav')
    assert read_sound(tmp_path / 'a.wav')[0].shape[1] > 15000


def test_the_whole_track_is_what_the_decoder_gives(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mp4', 12, sound=noise(1))
    np.testing.assert_array_equal(read_sound(path)[0], read_video_audio(path)[0])


@pytest.mark.parametrize(('old', 'new'), [(44100, 16000), (22050, 16000), (48000, 16000), (8000, 16000)])
def test_the_kaiser_kernel_keeps_the_band(old, new):
    tone = 2 * np.pi * 1000
    sound = torch.from_numpy(np.sin(tone * np.arange(old + 17) / old))[None]
    out = resample(sound, old, new, kernel='kaiser_best')
    assert out.shape == (1, int((old + 17) * new / old))
    wanted = np.sin(tone * np.arange(out.shape[1]) / new)
    np.testing.assert_allclose(out[0, 300:-300], wanted[300:-300], atol=2e-4)
    # What lies above the new band is gone.
    if new < old:
        above = torch.sin(1.2 * np.pi * new / old * torch.arange(old, dtype=torch.float64))[None]
        assert resample(above, old, new, kernel='kaiser_best')[0, 300:-300].abs().max() < 1e-3


def test_the_kaiser_kernel_gives_the_numbers_of_resampy():
    sound = torch.from_numpy(np.sin(np.arange(900) ** 1.5 / 40))[None]
    out = resample(sound, 22050, 16000, kernel='kaiser_best')[0, [0, 7, 200, 333, 652]]
    np.testing.assert_allclose(out, [0.0011643, 0.6808798, 0.9637188, 0.6681373, 0.8638989], atol=3e-5)


@pytest.mark.parametrize(('old', 'new'), [(44100, 16000), (22050, 16000), (3, 1), (2, 3), (11025, 16000)])
def test_the_fourier_kernel_is_the_sum_over_its_taps(old, new):
    kernel = resampling._kaiser_best(old // math.gcd(old, new), new // math.gcd(old, new))
    sound = np.random.default_rng(0).standard_normal(2 * _BLOCK // kernel.old * kernel.old + 99)
    out = resample(torch.from_numpy(sound)[None], old, new, kernel='kaiser_best')[0].numpy()
    near = np.arange(-kernel.reach, kernel.reach + 1)
    for n in (0, 1, 5, len(out) // 2, len(out) * 9 // 10, len(out) - 1):
        time = n * kernel.old
        inputs = time // kernel.new + near
        inputs = inputs[(inputs >= 0) & (inputs < len(sound))]
        places = time - inputs * kernel.new + kernel.reach * kernel.new
        inside = (places >= 0) & (places < len(kernel.taps))
        assert out[n] == pytest.approx(kernel.taps[places[inside]] @ sound[inputs[inside]], abs=1e-4)


def test_blocks_of_a_long_sound_fit_together(monkeypatch):
    sound = torch.randn(2, 90000, generator=torch.Generator().manual_seed(0))
    whole = resample(sound, 44100, 16000, kernel='kaiser_best')
    monkeypatch.setattr(fourier_resampling, '_AT_ONCE', 2)
    torch.testing.assert_close(resample(sound, 44100, 16000, kernel='kaiser_best'), whole)


def test_long_sounds_are_resampled_in_pieces(monkeypatch):
    sound = torch.randn(2, 9000, generator=torch.Generator().manual_seed(0))
    whole = resample(sound, 44100, 16000)
    monkeypatch.setattr(resampling, '_BLOCKS', 3)
    torch.testing.assert_close(resample(sound, 44100, 16000), whole)
    with pytest.raises(ConfigError, match="'cubic' is no kernel for resampling; use one of sinc_hann, kaiser_best"):
        resample(sound, 44100, 16000, kernel='cubic')
