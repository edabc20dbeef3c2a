"""Extractors of frames."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision

from avmm.extraction.extractors import C3D, SeLaVi, TorchvisionFeatures, VGG19Maps, c3d, frames
from avmm.extraction.extractors.selavi import window_starts
from avmm.extraction.extractors.vgg19 import segment_frames
from avmm.registry import EXTRACTORS
from avmm.utils import CheckpointError, ConfigError, DataError


def reds(units: torch.Tensor) -> list[int]:
    """Red of the first pixel of frames ``(N, 3, H, W)``: the numbers of the frames."""
    return units[:, 0, 0, 0].tolist()


def test_frames_of_segments():
    rule = [int(np.floor(second * 25 + i / 16 * 25)) for second in range(10) for i in range(16)]
    assert segment_frames(257).tolist() == rule
    assert segment_frames(7, 2, 2).tolist() == [0, 1, 3, 4]
    assert segment_frames(5, 10, 2).tolist() == [0] * 20


def test_frames_come_in_pieces(media, monkeypatch):
    clip = media()
    indices = np.array([0, 3, 4, 9, 30, 30, 49])
    whole = frames.load_frames(clip, indices, lambda x: frames.resize(x, 24))
    assert whole.shape == (7, 3, 24, 32) and reds(whole) == indices.tolist()
    monkeypatch.setattr(frames, '_CHUNK', 2)
    torch.testing.assert_close(frames.load_frames(clip, indices, lambda x: frames.resize(x, 24)), whole)


def test_frames_of_a_part(media):
    part = media(start=1.0, duration=0.4)
    assert frames.frame_count(part) == 10 and frames.indices_in_file(part, [0, 9]).tolist() == [25, 34]
    np.testing.assert_allclose(frames.even_times(part, 5), [1.0, 1.2])
    beyond = media(start=1.5, duration=4.0)
    assert frames.frame_count(beyond) == 100
    assert frames.indices_in_file(beyond, [0, 5, 12, 80]).tolist() == [37, 42, 49, 49]
    assert len(frames.even_times(beyond, 10)) == 5
    assert frames.frame_count(media(start=1.5)) == 12


def test_resized_frames_are_those_of_pillow():
    from PIL import Image
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    got = frames.resize(torch.from_numpy(picture).permute(2, 0, 1)[None], (33, 41))[0].permute(1, 2, 0)
    wanted = np.asarray(Image.fromarray(picture).resize((41, 33), Image.Resampling.BILINEAR))
    assert np.abs(got.numpy().astype(int) - wanted).max() <= 1
    assert frames.center_crop(torch.arange(49.0).view(1, 1, 7, 7), 3).flatten().tolist() == \
        [16, 17, 18, 23, 24, 25, 30, 31, 32]


def test_maps_of_vgg19(media, tmp_path):
    extractor = EXTRACTORS.build(dict(type='VGG19Maps', num_segments=2, frames_per_segment=3, size=64)).eval()
    assert extractor.spec.shape == (2, 2, 2, 512)
    units = extractor.load(media())
    assert units.shape == (6, 3, 64, 64) and units.dtype == torch.uint8
    assert reds(units) == [0, 8, 16, 25, 33, 41]
    with torch.no_grad():
        maps = extractor(units)
        got = extractor.finish(maps)
        plain = (units[4:5].float() / 255 - extractor.mean.view(3, 1, 1)) / extractor.std.view(3, 1, 1)
        torch.testing.assert_close(maps[4], extractor.features(plain)[0].permute(1, 2, 0), atol=1e-5, rtol=1e-3)
    np.testing.assert_allclose(got[1], maps[3:].mean(0), rtol=1e-4, atol=1e-6)
    state = {f'features.{name}': value for name, value in extractor.features.state_dict().items()}
    torch.save(dict(state, **{'classifier.0.bias': torch.zeros(3)}), tmp_path / 'vgg.pth')
    other = VGG19Maps(str(tmp_path / 'vgg.pth'), 2, 3, 64, bgr=True).eval()
    with torch.no_grad():
        assert not torch.equal(other(units), maps)
        torch.testing.assert_close(other(units.flip(1)), maps)
    # A clip that goes on after the end of the file shows its last frame.
    assert reds(extractor.load(media(start=1.0, duration=2.0))) == [25, 33, 41, 49, 49, 49]
    with pytest.raises(ConfigError, match='size at least 32, got 10, 16 and 8'):
        VGG19Maps(size=8)


def test_a_network_of_torchvision(media, tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / 'r.pth')
    options = dict(name='resnet18', weights=str(tmp_path / 'r.pth'), resize_to=40, crop=32)
    extractor = EXTRACTORS.build(dict(type='TorchvisionFeatures', rate=5, **options)).eval()
    units = extractor.load(media())
    assert units.shape == (10, 3, 32, 32) and reds(units) == [5 * i for i in range(10)]
    with torch.no_grad():
        features = extractor(units)
    assert extractor.spec.shape == (None, 512) and extractor.finish(features).shape == (10, 512)
    pooled = TorchvisionFeatures(num_frames=4, pool=True, dtype='float16', **options).eval()
    assert pooled.spec.shape == (512, ) and reds(pooled.load(media())) == [6, 18, 31, 43]
    np.testing.assert_allclose(pooled.finish(features), features.mean(0), rtol=2e-3)
    with pytest.raises(ConfigError, match='give rate or num_frames, one of them'):
        TorchvisionFeatures('resnet18')
    with pytest.raises(ConfigError, match='crop=300 is larger than resize_to=256'):
        TorchvisionFeatures('resnet18', rate=1, crop=300)
    with pytest.raises(CheckpointError, match='no such file of weights'):
        TorchvisionFeatures('resnet18', 'none.pth', rate=1)


class SmallC3D(torch.nn.Module):
    """In the place of C3D: means of each frame."""
    out_channels = 48

    def __init__(self, weights=None):
        super().__init__()

    def forward(self, x):
        return x.mean((3, 4)).flatten(1)


def test_windows_of_c3d(media, monkeypatch):
    monkeypatch.setattr(c3d, 'C3DNet', SmallC3D)
    extractor = EXTRACTORS.build(dict(type='C3D', bgr=False))
    units = extractor.load(media(size=(128, 172)))
    assert units.shape == (4, 17, 3, 112, 112) and units.dtype == torch.uint8
    means = extractor(units).view(4, 3, 16).transpose(1, 2).flatten(0, 1)
    colours = torch.tensor([[i, 255 - i, 7] for i in range(50)]) / 255
    wanted = (colours - torch.tensor(c3d.MEAN)) / torch.tensor(c3d.STD)
    torch.testing.assert_close(means[:50], wanted, atol=1e-3, rtol=0)
    assert (means[50:] == 0).all()
    turned = C3D(legacy_negative=True).load(media(size=(128, 172)))
    assert turned[0, 5, :, 0, 0].tolist() == [256 - 7, 256 - 250, 256 - 5]
    assert turned[0, 0, :, 0, 0].tolist() == [249, 1, 0]
    # 30 frames a second are read at 25.
    assert C3D(bgr=False).load(media(fps=30))[0, :12, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13]
    assert C3D(bgr=False, rate=None).load(media(fps=30))[0, :4, 0, 0, 0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match='rate must be above 0'):
        C3D(rate=0)


def test_starts_of_selavi():
    assert window_starts(75, 25).tolist() == [0, 5, 10]
    assert window_starts(1000, 25)[:3].tolist() == [0, 19, 39]
    assert window_starts(75, 25, uniform_tiling=True).tolist() == [0, 25, 50]
    assert window_starts(24, 25).tolist() == []


def test_windows_of_selavi(media, tmp_path):
    clip = media(seconds=2.2, size=(56, 70))
    visual = EXTRACTORS.build(dict(type='SeLaVi', modality='visual', uniform_tiling=True))
    units = visual.load(clip)
    assert units.shape == (2, 3, 30, 112, 112) and units.dtype == torch.float16
    numbers = ((units[:, 0, :, 5, 5].float() * 0.225 + 0.45) * 255).round().int()
    wanted = np.linspace(0, 24, 30).astype(int)
    assert numbers[0].tolist() == wanted.tolist() and numbers[1].tolist() == (25 + wanted).tolist()
    audio = SeLaVi('audio', uniform_tiling=True)
    banks = audio.load(clip)
    assert banks.shape == (2, 1, 257, 99) and banks.dtype == torch.float32
    assert SeLaVi('audio').load(media(1.0, 1.1, seconds=2.2)).shape == (1, 1, 257, 99)
    state = {f'audio_network.base.{name}': value for name, value in audio.net.state_dict().items()}
    torch.save(dict(model={**state, 'mlp_a0.weight': torch.zeros(7, 3)}, epoch=3), tmp_path / 's.pth')
    again = SeLaVi('audio', str(tmp_path / 's.pth')).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(banks), audio.eval()(banks))
        assert again(banks).shape == (2, 512)
    with pytest.raises(CheckpointError, match=r's\.pth does not fit VideoResNet'):
        SeLaVi('visual', str(tmp_path / 's.pth'))
    with pytest.raises(ConfigError, match="modality must be 'visual' or 'audio', got 'video'"):
        SeLaVi('video')


def test_clips_that_are_too_short_for_selavi(media):
    extractor = SeLaVi('audio')
    with pytest.raises(DataError, match=r'clip\.mkv: 0\.80 s of picture, SeLaVi needs a second'):
        extractor.load(media(seconds=0.8))
    with pytest.raises(DataError, match=r'clip\.mkv: 0\.70 s of sound, SeLaVi needs a second'):
        extractor.load(media(seconds=2.0, sound_seconds=0.7))
