"""Every registered encoder, and what is particular to each."""
from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from avmm.models.encoders import AVResNet18, ConvNeXtEncoder, Encoder, SmallConvNet, TorchvisionEncoder
from avmm.models.encoders.weights import adapt_stem, load_weights
from avmm.registry import MODELS
from avmm.utils import CheckpointError, ConfigError

# The least that each one needs besides in_channels, small enough for a quick test.
OPTIONS = {'TorchvisionEncoder': dict(name='mnasnet0_5')}
MODELS.import_from_location()
NAMES = sorted(name for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('avmm.models.encoders'))


def _build(name: str, in_channels: int, **options) -> Encoder:
    return MODELS.build(dict(type=name, in_channels=in_channels, **OPTIONS.get(name, {}), **options))


@pytest.mark.parametrize('name', NAMES)
def test_spectrograms_and_backward(name):
    encoder = _build(name, 1)
    feat = encoder(torch.randn(2, 1, 64, 40))
    assert feat.shape == (2, encoder.out_channels)
    feat.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize('name', NAMES)
def test_frames_are_encoded_alone_and_averaged(name):
    encoder = _build(name, 3).eval()
    clips = torch.randn(2, 3, 2, 32, 48)
    with torch.no_grad():
        whole = encoder(clips)
        parts = [encoder(clips[:, :, t]) for t in range(2)]
    assert whole.shape == (2, encoder.out_channels)
    torch.testing.assert_close(whole, sum(parts) / 2, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('name', NAMES)
def test_state_dict_round_trip(name):
    encoder, other = _build(name, 1).eval(), _build(name, 1).eval()
    images = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(encoder(images), other(images))
        other.load_state_dict(encoder.state_dict())
        torch.testing.assert_close(other(images), encoder(images), rtol=0, atol=0)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('shape', [(2, 2, 32, 32), (2, 1, 32), (2, 1, 1, 1, 32, 32)])
def test_inputs_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match=rf'{name}\(in_channels=1\) takes .* it was given \({shape[0]}, {shape[1]}'):
        _build(name, 1)(torch.zeros(shape))


def test_resnet18_has_the_names_and_shapes_of_torchvision():
    ours = {name: value.shape for name, value in AVResNet18(3).state_dict().items()}
    theirs = {name: value.shape for name, value in torchvision.models.resnet18().state_dict().items()
              if not name.startswith('fc.')}
    assert ours == theirs


def test_resnet18_gives_the_features_of_torchvision():
    ours, theirs = AVResNet18(3).eval(), torchvision.models.resnet18().eval()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def test_resnet18_initialisation():
    torch.manual_seed(0)
    encoder = AVResNet18(1)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
            assert module.bias is None
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
    assert encoder.conv1.weight.shape == (64, 1, 7, 7)


@pytest.mark.parametrize(('name', 'width', 'size', 'options'), [
    ('resnet34', 512, 32, {}), ('densenet121', 1024, 32, {}), ('efficientnet_b0', 1280, 32, {}),
    ('shufflenet_v2_x0_5', 1024, 32, {}), ('squeezenet1_1', 512, 32, {}), ('googlenet', 1024, 32, {}),
    ('swin_t', 768, 32, {}), ('mobilenet_v3_small', 1024, 32, {}), ('vit_b_32', 768, 64, dict(image_size=64)),
])
def test_families_of_torchvision(name, width, size, options):
    with torch.device('meta'):
        encoder = TorchvisionEncoder(name, in_channels=1, **options).eval()
        assert encoder.out_channels == width
        assert encoder(torch.empty(2, 1, size, size)).shape == (2, width)


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="no classification network 'resnet_50'; near it are .*resnet50"):
        TorchvisionEncoder('resnet_50')


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match='mnasnet0_5 of torchvision refuses the options depth=3'):
        TorchvisionEncoder('mnasnet0_5', depth=3)


def test_one_channel_gives_what_a_grey_image_gave(tmp_path):
    torch.manual_seed(0)
    colour = torchvision.models.mnasnet0_5()
    torch.save(colour.state_dict(), tmp_path / 'weights.pth')
    grey = TorchvisionEncoder('mnasnet0_5', in_channels=1, weights=str(tmp_path / 'weights.pth')).eval()
    colour.classifier[-1] = nn.Identity()
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(grey(images), colour.eval()(images.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-4)


def test_more_channels_share_the_sum():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    image, before = torch.randn(1, 1, 8, 8), net[0]
    adapt_stem(net, 5)
    assert net[0].in_channels == 5
    torch.testing.assert_close(net(image.expand(-1, 5, -1, -1)), before(image.expand(-1, 3, -1, -1)))


def test_weights_of_another_number_of_classes_fit(tmp_path):
    torch.save({'state_dict': torchvision.models.mnasnet0_5(num_classes=7).state_dict()}, tmp_path / 'w.pth')
    encoder = TorchvisionEncoder('mnasnet0_5', weights=str(tmp_path / 'w.pth'))
    assert encoder.out_channels == 1280


def test_weights_of_an_old_file_fit(tmp_path):
    state = {k: v for k, v in torchvision.models.resnet18().state_dict().items() if 'num_batches_tracked' not in k}
    torch.save(state, tmp_path / 'w.pth')
    encoder = TorchvisionEncoder('resnet18', weights=str(tmp_path / 'w.pth'))
    assert torch.equal(encoder.net.conv1.weight, state['conv1.weight'])


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r'other.pth does not fit MNASNet: \d+ of \d+ tensors .*another network'):
        TorchvisionEncoder('mnasnet0_5', weights=str(path))


@pytest.mark.parametrize('content', [b'', b'no file of weights', 'pickle'])
def test_broken_weights_are_refused(tmp_path, content):
    path = tmp_path / 'broken.pth'
    if content == 'pickle':
        torch.save({'state_dict': nn.Linear(2, 2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match='broken.pth is torn or holds more than tensors'):
        load_weights(nn.Linear(2, 2), str(path))


def test_absent_weights_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match='none.pth: no such file of weights'):
        load_weights(nn.Linear(2, 2), str(tmp_path / 'none.pth'))


def test_convnext_sums_the_stem_for_sound(tmp_path):
    torch.save(torchvision.models.convnext_tiny().state_dict(), tmp_path / 'w.pth')
    colour = ConvNeXtEncoder('tiny', 3, weights=str(tmp_path / 'w.pth'))
    sound = ConvNeXtEncoder('tiny', 1, weights=str(tmp_path / 'w.pth'))
    stems = [encoder.net.features[0][0] for encoder in (colour, sound)]
    torch.testing.assert_close(stems[1].weight, stems[0].weight.sum(1, keepdim=True))
    torch.testing.assert_close(stems[1].bias, stems[0].bias)
    assert sound.out_channels == 768


def test_convnext_features_are_normalised_maps():
    encoder = ConvNeXtEncoder('tiny', 1).eval()
    spectrograms = torch.randn(1, 1, 64, 96)
    with torch.no_grad():
        maps, feat = encoder.feature_maps(spectrograms), encoder(spectrograms)
    assert maps.shape == (1, 768, 2, 3)
    torch.testing.assert_close(feat, nn.functional.layer_norm(maps.mean((2, 3)), (768, ), eps=1e-6))


def test_convnext_without_norm_and_steps_of_a_spectrogram():
    encoder = ConvNeXtEncoder('tiny', 1, normalise=False).eval()
    assert not any('classifier' in name for name in encoder.state_dict())
    spectrograms = torch.randn(1, 1, 64, 135)
    with torch.no_grad():
        maps, feat = encoder.feature_maps(spectrograms), encoder(spectrograms)
        steps = encoder.feature_steps(spectrograms)
    torch.testing.assert_close(feat, maps.mean((2, 3)))
    # 135 frames: 33, 16, 8, 4.
    assert steps.shape == (1, 4, 768)
    torch.testing.assert_close(steps[0, 2], maps[0, :, :, 2].mean(1))


def test_convnext_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="size='huge' is unknown; use one of tiny, small, base, large"):
        ConvNeXtEncoder('huge')


def test_convnext_of_stages_of_ones_own():
    encoder = ConvNeXtEncoder(dict(channels=(4, 6, 8), depths=(1, 2, 1)), 1, layer_scale=1.0).eval()
    assert encoder.out_channels == 8 and encoder(torch.rand(2, 1, 32, 48)).shape == (2, 8)
    assert [len(stage) for stage in encoder.net.features[1::2]] == [1, 2, 1]
    for size in (dict(channels=(4, 6)), dict(channels=(4, 6), depths=(1, )), dict(channels='46', depths=(1, 1)),
                 dict(channels=(4, 6), depths=(1, 0)), dict(channels=(4, ), depths=(1, ))):
        with pytest.raises(ConfigError, match='a width and a number of blocks of each stage'):
            ConvNeXtEncoder(size)
    with pytest.raises(ConfigError, match='takes stochastic_depth_prob and layer_scale, not no_such_option'):
        ConvNeXtEncoder(dict(channels=(4, ), depths=(2, )), no_such_option=1)


def test_small_convnet_is_small():
    from torch.utils.flop_counter import FlopCounterMode
    encoder = SmallConvNet(1).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 1, 64, 64))
    assert counter.get_total_flops() < 1e7
    assert SmallConvNet(3, widths=(4, 6)).out_channels == 6


def test_small_convnet_learns_digits():
    from sklearn.datasets import load_digits
    digits = load_digits()
    images = torch.as_tensor(digits.images[:400] / 16 - 0.3).float()[:, None].repeat(1, 1, 2, 2)
    label = torch.as_tensor(digits.target[:400])
    net = nn.Sequential(SmallConvNet(1, widths=(16, 32)), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        loss = nn.functional.cross_entropy(net(images), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net(images).argmax(1) == label).float().mean() > 0.9


def test_small_convnet_needs_widths():
    with pytest.raises(ConfigError, match='widths is empty'):
        SmallConvNet(3, widths=())
