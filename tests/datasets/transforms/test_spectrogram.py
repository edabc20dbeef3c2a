from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from avmm.datasets.transforms import CachedSpectrogram, KaldiFbank, LogSpectrogram, NormalizeSpectrogram, SpecAugment
from avmm.utils import ConfigError, DataError

STEPS = [dict(type='LoadAudio'), dict(type='LogSpectrogram', n_fft=64, hop_length=32)]


def wave(length, channels=1):
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (channels, length)).astype(np.float32))


def test_log_spectrogram_follows_its_definition():
    audio = wave(66150)
    spec = LogSpectrogram()(dict(audio=audio))['audio']
    assert spec.shape == (1, 257, 188) and spec.dtype == torch.float32 and spec.is_contiguous()
    padded = np.pad(audio[0].numpy().astype(np.float64), 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    expected = [np.abs(np.fft.rfft(padded[353 * t:353 * t + 512] * window)) for t in range(188)]
    assert np.abs(spec[0].numpy() - np.log(np.array(expected).T + 1e-7)).max() < 1e-3


def test_log_spectrogram_options():
    plain = LogSpectrogram(n_fft=128, hop_length=64, center=False)(dict(audio=wave(1000, 2)))['audio']
    assert plain.shape == (2, 65, 1 + (1000 - 128) // 64)
    scaled = LogSpectrogram(n_fft=128, hop_length=64, center=False, mean=-3, std=2)(dict(audio=wave(1000, 2)))['audio']
    assert torch.allclose(scaled, (plain + 3) / 2)
    assert LogSpectrogram(resize=(16, 24))(dict(audio=wave(9000, 2)))['audio'].shape == (2, 16, 24)


def test_kaldi_fbank():
    audio = wave(160000)
    bank = KaldiFbank()(dict(audio=audio, sample_rate=16000))['audio']
    assert bank.shape == (1, 128, 998)
    expected = torchaudio.compliance.kaldi.fbank(audio - audio.mean(), htk_compat=True, sample_frequency=16000,
                                                 use_energy=False, window_type='hanning', num_mel_bins=128, dither=0.0,
                                                 frame_shift=10)
    assert torch.equal(bank[0], expected.T)
    longer = KaldiFbank(target_length=1000)(dict(audio=audio, sample_rate=16000))['audio']
    assert longer.shape == (1, 128, 1000) and longer[..., 998:].abs().sum() == 0
    assert KaldiFbank(target_length=990)(dict(audio=audio, sample_rate=16000))['audio'].shape == (1, 128, 990)


def test_normalise_and_absence():
    assert NormalizeSpectrogram(1, 2)(dict(audio=torch.full((1, 2, 2), 5.0)))['audio'].tolist() == [[[2, 2], [2, 2]]]
    for step in (LogSpectrogram(), KaldiFbank(), NormalizeSpectrogram(0, 1), SpecAugment()):
        assert step({}) == {}


def test_sounds_that_are_too_short():
    with pytest.raises(DataError, match=r'a\.wav: the sound is too short, 100 samples for a window of 512'):
        LogSpectrogram(center=False)(dict(audio=wave(100), audio_path='a.wav'))
    with pytest.raises(DataError, match=r'a\.wav: the sound is too short, 100 samples for a frame of 400'):
        KaldiFbank()(dict(audio=wave(100), audio_path='a.wav', sample_rate=16000))


def test_spec_augment_masks_one_band_and_one_stretch():
    widths = []
    for seed in range(200):
        picture = torch.ones(1, 40, 60)
        out = SpecAugment(freq_mask=20, time_mask=30)(dict(audio=picture, rng=np.random.default_rng(seed)))['audio']
        rows, columns = (out[0] == 0).all(1), (out[0] == 0).all(0)
        assert torch.equal(out[0] == 0, rows[:, None] | columns[None, :])
        assert all(len(torch.unique_consecutive(m.long())) <= 3 for m in (rows, columns))
        widths.append((int(rows.sum()), int(columns.sum())))
        assert picture.min() == 1
    most = np.max(widths, axis=0)
    assert 17 <= most[0] < 20 and 26 <= most[1] < 30 and abs(np.mean(widths, axis=0)[0] - 9.5) < 1.5


def test_spec_augment_leaves_out_masks_of_no_width():
    out = SpecAugment(freq_mask=0, time_mask=0)(dict(audio=torch.ones(1, 4, 4), rng=np.random.default_rng(0)))
    assert out['audio'].min() == 1


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / 'a.wav', wave(2000)[0].numpy(), 8000)
    return tmp_path / 'a.wav'


def test_the_cache_gives_the_same_without_reading_the_sound(tmp_path, wav):
    step = CachedSpectrogram(STEPS, cache_dir=str(tmp_path / 'cache'))
    first = step(dict(audio_path=str(wav)))['audio']
    state = os.stat(wav)
    wav.write_bytes(b'x' * state.st_size)
    os.utime(wav, ns=(state.st_atime_ns, state.st_mtime_ns))
    again = step(dict(audio_path=str(wav)))['audio']
    assert torch.equal(first, again) and again.shape == (1, 33, 63)
    again.add_(1)


def test_the_cache_knows_files_and_options(tmp_path, wav):
    cache = tmp_path / 'cache'
    CachedSpectrogram(STEPS, cache_dir=str(cache))(dict(audio_path=str(wav)))
    soundfile.write(wav, wave(3000)[0].numpy(), 8000)
    assert CachedSpectrogram(STEPS, cache_dir=str(cache))(dict(audio_path=str(wav)))['audio'].shape[-1] == 94
    other = [STEPS[0], dict(STEPS[1], n_fft=32)]
    assert CachedSpectrogram(other, cache_dir=str(cache))(dict(audio_path=str(wav)))['audio'].shape[1] == 17
    assert len(list(cache.rglob('*.spec'))) == 3 and not list(cache.rglob('*.part'))


@pytest.mark.parametrize('damage', [lambda b: b[:50], lambda b: b'', lambda b: b'XXXX' + b[4:], lambda b: b[:-8]])
def test_a_damaged_cache_is_computed_again(tmp_path, wav, damage):
    step = CachedSpectrogram(STEPS, cache_dir=str(tmp_path / 'cache'))
    first = step(dict(audio_path=str(wav)))['audio']
    place = next((tmp_path / 'cache').rglob('*.spec'))
    whole = place.read_bytes()
    place.write_bytes(damage(whole))
    assert torch.equal(step(dict(audio_path=str(wav)))['audio'], first) and place.read_bytes() == whole


def test_half_precision_is_the_same_from_the_first_use(tmp_path, wav):
    step = CachedSpectrogram(STEPS, cache_dir=str(tmp_path / 'cache'), dtype='float16')
    first, again = (step(dict(audio_path=str(wav)))['audio'] for _ in range(2))
    assert torch.equal(first, again) and first.dtype == torch.float32
    plain = CachedSpectrogram(STEPS)(dict(audio_path=str(wav)))['audio']
    assert 0 < (first - plain).abs().max() < 0.02


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, wav):
    (tmp_path / 'file').write_text('in the way')
    step = CachedSpectrogram(STEPS, cache_dir=str(tmp_path / 'file' / 'cache'))
    with pytest.warns(UserWarning, match='spectrograms are not cached any more'):
        step(dict(audio_path=str(wav)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert step(dict(audio_path=str(wav)))['audio'].shape == (1, 33, 63)


def test_the_cache_refuses_random_steps_and_passes_errors_on(tmp_path):
    with pytest.raises(ConfigError, match='SpecAugment is random and cannot be cached'):
        CachedSpectrogram([*STEPS, dict(type='SpecAugment')], cache_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="dtype must be 'float32' or 'float16', got 'int8'"):
        CachedSpectrogram(STEPS, dtype='int8')
    with pytest.raises(DataError, match=r'none\.wav: the file is missing'):
        CachedSpectrogram(STEPS, cache_dir=str(tmp_path))(dict(audio_path=str(tmp_path / 'none.wav')))


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: LogSpectrogram(hop_length=0), 'hop_length at least 1'),
    (lambda: LogSpectrogram(n_fft=64, win_length=128), 'win_length must be at most n_fft'),
    (lambda: KaldiFbank(target_length=0), 'target_length must be at least 1 frame'),
    (lambda: NormalizeSpectrogram(0, 0), 'std must be positive'),
    (lambda: SpecAugment(freq_mask=-1), 'mask widths must be 0 or more'),
])
def test_wrong_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
