"""VGGish, the front ends of sound, and networks of torchaudio."""
from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import torchaudio

from avmm.extraction import Media
from avmm.extraction.extractors import TorchaudioFeatures, VGGish, vggish
from avmm.extraction.extractors.sound_fronts import log_filterbank, vggish_patches
from avmm.extraction.extractors.vggish import postprocess
from avmm.registry import EXTRACTORS
from avmm.utils import CheckpointError, ConfigError, DataError


class SmallNet(torch.nn.Module):
    """In the place of VGGish: the means over quarters of the bands."""

    def __init__(self, weights=None):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x.mean(2).repeat(1, 1, 2).flatten(1) * self.scale


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(vggish, 'VGGishNet', SmallNet)


def plain_patches(sound: np.ndarray) -> np.ndarray:
    """The front end of VGGish by its equations, frame by frame and band by band."""
    mel = lambda hz: 1127 * np.log(1 + hz / 700)  # noqa: E731
    edges = np.linspace(mel(125), mel(7500), 66)
    places = mel(np.arange(257) * 16000 / 512)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    rows = []
    for first in range(0, len(sound) - 399, 160):
        magnitude = np.abs(np.fft.rfft(sound[first:first + 400] * window, 512))
        row = np.zeros(64)
        for band in range(64):
            low, middle, high = edges[band:band + 3]
            sides = np.minimum((places - low) / (middle - low), (high - places) / (high - middle))
            row[band] = (magnitude * np.maximum(0, sides))[1:].sum()
        rows.append(np.log(row + 0.01))
    return np.array(rows)[:len(rows) // 96 * 96].reshape(-1, 96, 64)


def test_log_mel_patches():
    sound = np.random.default_rng(0).uniform(-1, 1, 16000)
    patches = vggish_patches(torch.from_numpy(sound).float())
    assert patches.shape == (1, 96, 64)
    np.testing.assert_allclose(patches, plain_patches(sound), atol=2e-5)


@pytest.mark.parametrize(('samples', 'count'),
                         [(15599, 0), (15600, 1), (160000, 10), (399, 0), (30960, 2), (30959, 1)])
def test_patches_that_fit(samples, count):
    assert vggish_patches(torch.zeros(samples)).shape == (count, 96, 64)


def test_patches_a_second_apart():
    sound = torch.rand(40000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(vggish_patches(sound, 1.0)[1], vggish_patches(sound[16000:])[0])


def test_a_fixed_number_of_patches(media, small):
    extractor = VGGish(num_patches=3)
    assert extractor.spec.shape == (3, 128) and extractor.spec.dtype == 'float32'
    whole = extractor.load(media(seconds=4.0))
    assert whole.shape == (3, 96, 64)
    short = extractor.load(media(seconds=1.2))
    torch.testing.assert_close(short[0], whole[0])
    # Silence: the logarithm of what is added to it.
    assert (short[2] == torch.tensor(0.01).log()).all()
    part = extractor.load(media(start=0.96, duration=1.0, seconds=4.0))
    torch.testing.assert_close(part[0], whole[1])


def test_as_many_patches_as_there_are(media, small):
    extractor = VGGish()
    assert extractor.spec.shape == (None, 128)
    units = extractor.load(media(seconds=3.0))
    assert units.shape == (3, 96, 64)
    assert extractor.finish(extractor(units).detach()).shape == (3, 128)
    with pytest.raises(DataError, match=r'clip\.mkv: the sound is too short, 0\.50 of 0\.975 s'):
        extractor.load(media(seconds=0.5))


def test_a_copy_without_parameters_loads_the_same_in_another_process(media, small):
    extractor = VGGish(num_patches=2)
    copy = pickle.loads(pickle.dumps(extractor.for_workers()))
    assert copy.net.scale.numel() == 0
    torch.testing.assert_close(copy.load(media()), extractor.load(media()))


def test_whitened_features_become_bytes(tmp_path, small):
    rng = np.random.default_rng(0)
    vectors, means = rng.normal(0, 0.1, (128, 128)), rng.normal(0, 1, (128, 1))
    np.savez(tmp_path / 'pca.npz', pca_eigen_vectors=vectors, pca_means=means)
    extractor = EXTRACTORS.build(dict(type='VGGish', pca=str(tmp_path / 'pca.npz')))
    assert extractor.spec.dtype == 'uint8'
    features = rng.uniform(0, 1, (5, 128))
    got = extractor.finish(torch.from_numpy(features))
    for row, feature in zip(got, features, strict=True):
        whitened = np.clip(vectors @ (feature - means[:, 0]), -2, 2)
        np.testing.assert_array_equal(row, np.floor((whitened + 2) * 255 / 4))
    loose = postprocess(features, vectors, means, quantise=False)
    assert loose.dtype == np.float32 and np.abs(loose).max() <= 2
    np.savez(tmp_path / 'other.npz', pca_means=means)
    with pytest.raises(CheckpointError, match=r'other\.npz holds no PCA of VGGish .*get the file vggish_pca'):
        VGGish(pca=str(tmp_path / 'other.npz'))


@pytest.mark.parametrize(('options', 'message'), [
    (dict(num_patches=0), 'num_patches must be at least 1, got 0'),
    (dict(hop=0.123), 'hop must be a multiple of 0.01 s, got 0.123'),
    (dict(quantise=True), 'quantise goes with pca')])
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        VGGish(**options)


def test_log_filter_banks_of_windows_are_those_of_each():
    rng = np.random.default_rng(0)
    windows = rng.integers(-20000, 20000, (2, 8000)).astype(np.int16)
    both = log_filterbank(windows, 16000, 0.025, 0.01, bands=26, n_fft=512)
    assert both.shape == (2, 1 + -(-(8000 - 400) // 160), 26)
    np.testing.assert_array_equal(both[1:], log_filterbank(windows[1:], 16000, 0.025, 0.01, bands=26, n_fft=512))
    # By hand: the first frame, the tenth filter.
    signal = np.append(windows[0, 0], windows[0, 1:] - 0.97 * windows[0, :-1])[:400]
    power = np.abs(np.fft.rfft(signal, 512)) ** 2 / 512
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    low, middle, high = np.floor(513 * 700 * (10 ** (mel[9:12] / 2595) - 1) / 16000).astype(int)
    energy = sum(power[i] * (i - low) / (middle - low) for i in range(low, middle)) \
        + sum(power[i] * (high - i) / (high - middle) for i in range(middle, high))
    assert both[0, 0, 9] == pytest.approx(np.log(energy))


@pytest.fixture
def small_wav2vec2(monkeypatch):
    conv = dict(extractor_mode='group_norm', extractor_conv_layer_config=[(16, 10, 5), (16, 8, 8), (16, 8, 8)],
                extractor_conv_bias=False)
    body = dict(encoder_embed_dim=24, encoder_projection_dropout=0.0, encoder_pos_conv_kernel=4,
                encoder_pos_conv_groups=2, encoder_num_layers=3, encoder_num_heads=2, encoder_attention_dropout=0.0,
                encoder_ff_interm_features=32, encoder_ff_interm_dropout=0.0, encoder_dropout=0.0,
                encoder_layer_norm_first=False, encoder_layer_drop=0.0, aux_num_out=None)
    monkeypatch.setattr(torchaudio.models, 'wav2vec2_base',
                        lambda **options: torchaudio.models.wav2vec2_model(**conv, **{**body, **options}))


def test_a_network_of_torchaudio(media, small_wav2vec2, tmp_path):
    extractor = EXTRACTORS.build(dict(type='TorchaudioFeatures', name='wav2vec2_base', layer=1, window=0.5)).eval()
    assert extractor.spec.shape == (None, 24)
    units = extractor.load(media(seconds=1.7))
    assert units.shape == (3, 8000)
    features = extractor(units)
    wanted = extractor.net.extract_features(units[:1], num_layers=2)[0][1].mean(1)
    torch.testing.assert_close(features[:1], wanted, atol=1e-5, rtol=1e-4)
    torch.save(extractor.net.state_dict(), tmp_path / 'w.pth')
    other = TorchaudioFeatures('wav2vec2_base', str(tmp_path / 'w.pth'), layer=1, window=0.5, num_windows=5).eval()
    assert other.load(media(seconds=1.7)).shape == (5, 8000)
    torch.testing.assert_close(other(units), features)
    loud = TorchaudioFeatures('wav2vec2_base', str(tmp_path / 'w.pth'), window=0.5, normalize=True).eval()
    torch.testing.assert_close(loud(units), loud(3 * units), atol=1e-3, rtol=1e-3)


def test_unknown_networks_and_layers(small_wav2vec2):
    with pytest.raises(ConfigError, match="no network 'wav2vec3' for waveforms; use one of wav2vec2_base"):
        TorchaudioFeatures('wav2vec3')
    with pytest.raises(ConfigError, match='wav2vec2_base has 3 layers, so that layer=3 is none'):
        TorchaudioFeatures('wav2vec2_base', layer=3)


def test_a_video_without_sound_cannot_be_done(media, small):
    with pytest.raises(DataError, match='has no sound track'):
        VGGish().load(media(sound_seconds=0.0))


def test_an_audio_file_will_do(tmp_path, small):
    import soundfile
    soundfile.write(tmp_path / 'a.wav', np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2)), 44100)
    assert VGGish().load(Media(tmp_path / 'a.wav')).shape == (1, 96, 64)
