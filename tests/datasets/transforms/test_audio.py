from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from avmm.datasets.transforms import AddNoise, ClampAudio, CropOrRepeatAudio, LoadAudio, ResampleAudio, resample
from avmm.utils import ConfigError, DataError


def ramp(length):
    return torch.arange(length, dtype=torch.float32)[None]


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize('rates', [(16000, 22050), (8000, 22050), (44100, 22050), (48000, 16000), (22050, 16000),
                                   (11025, 48000)])
def test_resampling_has_the_numbers_of_torchaudio(rates):
    wave = torch.from_numpy(rng().uniform(-1, 1, (2, 5003)).astype(np.float32))
    expected = torchaudio.functional.resample(wave, *rates)
    assert resample(wave, *rates).shape == expected.shape
    assert torch.allclose(resample(wave, *rates), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize('length', [1, 10, 319, 320, 321, 48000])
def test_resampling_of_any_length(length):
    wave = torch.from_numpy(rng().uniform(-1, 1, (1, length)).astype(np.float32))
    expected = torchaudio.functional.resample(wave, 16000, 22050)
    assert torch.allclose(resample(wave, 16000, 22050), expected, atol=1e-6, rtol=0)


def test_resampling_computes_only_what_is_kept():
    wave = torch.from_numpy(rng().uniform(-1, 1, (1, 40000)).astype(np.float32))
    results = ResampleAudio(22050, max_samples=5000)(dict(audio=wave, sample_rate=16000))
    assert torch.allclose(results['audio'], resample(wave, 16000, 22050)[:, :5000], atol=1e-6)
    assert results['audio'].shape == (1, 5000) and results['sample_rate'] == 22050


def test_an_equal_rate_changes_nothing():
    wave = ramp(7)
    assert torch.equal(resample(wave, 22050, 22050), wave)


def test_three_times_then_three_seconds():
    step = CropOrRepeatAudio(length=66150, repeat=3)
    short = step(dict(audio=ramp(30000)))['audio']
    assert torch.equal(short, ramp(30000).repeat(1, 3)[:, :66150])
    assert torch.equal(step(dict(audio=ramp(80000)))['audio'], ramp(66150))
    tiny = step(dict(audio=ramp(100) + 1))['audio']
    assert torch.equal(tiny[:, :300], (ramp(100) + 1).repeat(1, 3)) and tiny[:, 300:].abs().sum() == 0


@pytest.mark.parametrize(('short', 'expected'), [
    ('pad', [0, 1, 2, 0, 1, 2, 0, 0]),
    ('repeat', [0, 1, 2, 0, 1, 2, 0, 1]),
    ('keep', [0, 1, 2, 0, 1, 2]),
])
def test_what_becomes_of_a_short_clip(short, expected):
    assert CropOrRepeatAudio(8, repeat=2, short=short)(dict(audio=ramp(3)))['audio'].tolist() == [expected]


def test_a_short_clip_can_be_an_error():
    with pytest.raises(DataError, match=r'x\.wav: the sound is too short, 6 of 8 samples after 2 repeats'):
        CropOrRepeatAudio(8, repeat=2, short='error')(dict(audio=ramp(3), audio_path='x.wav'))


def test_where_a_long_clip_is_cut():
    assert CropOrRepeatAudio(4, crop='center')(dict(audio=ramp(10)))['audio'].tolist() == [[3, 4, 5, 6]]
    step = CropOrRepeatAudio(4, crop='random')
    starts = {int(step(dict(audio=ramp(10), rng=np.random.default_rng(i)))['audio'][0, 0]) for i in range(60)}
    assert starts == set(range(7)) and step.random and not CropOrRepeatAudio(4).random
    assert CropOrRepeatAudio(repeat=2)(dict(audio=ramp(2)))['audio'].tolist() == [[0, 1, 0, 1]]


def test_clamp():
    assert ClampAudio()(dict(audio=torch.tensor([[-3.0, 0.5, 2]])))['audio'].tolist() == [[-1, 0.5, 1]]


def test_load_audio_mixes_and_cuts(tmp_path):
    soundfile.write(tmp_path / 'a.wav', np.stack([np.full(800, 0.5), np.zeros(800)], 1), 8000)
    results = LoadAudio()(dict(audio_path=str(tmp_path / 'a.wav')))
    assert results['audio'].shape == (1, 800) and results['sample_rate'] == 8000
    assert results['audio'].mean().item() == pytest.approx(0.25, abs=1e-3)
    results = LoadAudio(mono=False, max_seconds=0.05)(dict(audio_path=str(tmp_path / 'a.wav')))
    assert results['audio'].shape == (2, 400)


def test_steps_leave_an_absent_sound_absent():
    for step in (LoadAudio(), ResampleAudio(8000), CropOrRepeatAudio(5), ClampAudio(), AddNoise(0)):
        assert step(dict(sample_id='x', rng=rng())).keys() == {'sample_id', 'rng'}


def test_noise_has_the_power_that_is_asked_for():
    wave = torch.sin(torch.arange(50000) / 7)[None]
    noise = AddNoise(snr=10)(dict(audio=wave, rng=rng()))['audio'] - wave
    ratio = 10 * np.log10(float(wave.square().mean() / noise.square().mean()))
    assert ratio == pytest.approx(10, abs=0.1)
    assert torch.equal(AddNoise(10, prob=0)(dict(audio=wave, rng=rng()))['audio'], wave)


def test_noise_needs_a_float_tensor():
    with pytest.raises(ConfigError, match='AddNoise needs visual as a float tensor'):
        AddNoise(10, key='visual')(dict(visual=torch.zeros(3, dtype=torch.uint8), rng=rng()))


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: ResampleAudio(0), 'sample_rate must be positive'),
    (lambda: ResampleAudio(1, max_samples=0), 'max_samples must be at least 1'),
    (lambda: CropOrRepeatAudio(0), 'length must be at least 1 sample'),
    (lambda: CropOrRepeatAudio(1, repeat=0), 'repeat must be at least 1'),
    (lambda: CropOrRepeatAudio(1, crop='end'), "crop must be 'start', 'center' or 'random'"),
    (lambda: CropOrRepeatAudio(1, short='zero'), "short must be 'pad'"),
    (lambda: ClampAudio(1, 0), 'low must be below high'),
    (lambda: LoadAudio(without_sound='zeros'), "without_sound must be 'absent' or 'error'"),
    (lambda: AddNoise((5, 1)), 'snr must be a number or'),
    (lambda: AddNoise(5, prob=2), 'prob must lie in 0 to 1'),
])
def test_wrong_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
