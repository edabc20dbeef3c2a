from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.extraction.extractors.c3d_net import C3DNet
from avmm.extraction.extractors.vggish_net import VGGishNet, from_tensorflow, read_vggish
from avmm.utils import CheckpointError

SHAPES = {'conv1': (3, 3, 1, 4), 'conv2': (3, 3, 4, 5), 'conv3/conv3_1': (3, 3, 5, 6), 'conv3/conv3_2': (3, 3, 6, 6),
          'conv4/conv4_1': (3, 3, 6, 7), 'conv4/conv4_2': (3, 3, 7, 7), 'fc1/fc1_1': (12, 8), 'fc1/fc1_2': (8, 9),
          'fc2': (9, 3)}


@pytest.fixture
def variables() -> dict[str, np.ndarray]:
    """Variables of a narrow VGGish under the names of TensorFlow."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in SHAPES.items():
        made[f'vggish/{name}/weights'] = rng.normal(size=shape).astype(np.float32)
        made[f'vggish/{name}/biases'] = rng.normal(size=shape[-1:]).astype(np.float32)
    return made


def test_variables_of_tensorflow(tmp_path, variables):
    state = from_tensorflow(variables)
    kernel = variables['vggish/conv3/conv3_1/weights']
    np.testing.assert_array_equal(state['features.6.weight'][2, 3], kernel[..., 3, 2])
    np.testing.assert_array_equal(state['fc.4.weight'], variables['vggish/fc2/weights'].T)
    np.testing.assert_array_equal(state['fc.2.bias'], variables['vggish/fc1/fc1_2/biases'])
    assert len(state) == 18
    np.savez(tmp_path / 'tf.npz', **variables)
    assert all(torch.equal(value, state[name]) for name, value in read_vggish(str(tmp_path / 'tf.npz')).items())
    variables.pop('vggish/conv1/weights')
    np.savez(tmp_path / 'tf.npz', **variables)
    with pytest.raises(CheckpointError, match=r'tf\.npz holds no variables of VGGish .*conv1/weights'):
        read_vggish(str(tmp_path / 'tf.npz'))
    (tmp_path / 'tf.npz').write_bytes(b'torn')
    with pytest.raises(CheckpointError, match=r'tf\.npz holds no variables of VGGish'):
        read_vggish(str(tmp_path / 'tf.npz'))


def test_weights_of_pytorch_and_maps_in_the_order_of_tensorflow(tmp_path):
    net = VGGishNet().eval()
    x = torch.randn(2, 1, 96, 64)
    with torch.no_grad():
        out = net(x)
        assert out.shape == (2, 128) and (out >= 0).all() and net.features(x).shape == (2, 512, 6, 4)
    state = {name.replace('fc.', 'embeddings.'): value for name, value in net.state_dict().items()}
    torch.save({**state, 'pproc.pca_means': torch.zeros(128, 1)}, tmp_path / 'v.pth')
    state.clear()
    read = read_vggish(str(tmp_path / 'v.pth'))
    assert set(net.state_dict()) <= set(read) and torch.equal(read['fc.4.bias'], net.fc[4].bias)
    torch.save(dict(module=1), tmp_path / 'v.pth')
    with pytest.raises(CheckpointError, match=r'v\.pth does not fit VGGishNet: 18 of 18 tensors'):
        VGGishNet(str(tmp_path / 'v.pth'))


def test_c3d_refuses_other_clips():
    with torch.device('meta'):
        net = C3DNet()
    with pytest.raises(ValueError, match=r'takes \(B, 3, 16, 112, 112\); it was given \(1, 3, 8, 112, 112\)'):
        net(torch.zeros(1, 3, 8, 112, 112))
    assert net(torch.zeros(1, 3, 16, 112, 112, device='meta')).shape == (1, 4096)
