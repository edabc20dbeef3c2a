"""Weights of the released AVE baselines go in and come out."""
from __future__ import annotations

import sys
import types
import warnings

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from avmm.registry import MODELS
from avmm.utils import CheckpointError
from projects.cmran.cmran.avel_converter import (
    avel_from_official,
    avel_to_official,
    matching_from_keras,
    matching_from_official,
    matching_to_keras,
    matching_to_official,
    read_avel_checkpoint,
    read_keras_weights,
    write_keras_weights,
)


def net(fusion='concat', head='AVELHead'):
    hidden = None if fusion == 'dmrn' else 64
    return MODELS.build(dict(type='AVELNet', fusion=fusion, head=dict(type=head, hidden_channels=hidden)))


@pytest.mark.parametrize('fusion, head, tensors, numbers', [
    ('concat', 'AVELHead', 27, 1_335_246), ('concat', 'WeakAVELHead', 27, 1_335_246),
    ('dmrn', 'AVELHead', 33, 1_571_150)])
def test_official_names_and_sizes(fusion, head, tensors, numbers):
    state = net(fusion, head).state_dict()
    official = avel_to_official(state)
    assert len(official) == tensors and sum(v.numel() for v in official.values()) == numbers
    assert {'lstm_video.weight_hh_l0_reverse', 'affine_g.weight', 'L2.bias'} <= set(official)
    back = avel_from_official(official)
    assert list(back) == list(state) and all(back[name] is official_value for name, official_value
                                             in zip(back, official.values(), strict=True))


def test_prefix_of_data_parallel_is_dropped():
    assert list(avel_from_official({'module.L1.bias': torch.ones(1)})) == ['head.hidden.bias']


def test_other_tensors_are_refused():
    with pytest.raises(CheckpointError, match="the tensor 'affine_x.weight' belongs to another model"):
        avel_from_official({'affine_x.weight': torch.ones(1)})


def official_network(name: str, kind: str) -> nn.Module:
    """A module of a class that exists in no package, with the tensors of the official one."""
    module = types.ModuleType(name)
    cls = type(kind, (nn.Module, ), {'__module__': name})
    setattr(module, kind, cls)
    sys.modules[name] = module
    network = cls()
    network.lstm_audio = nn.LSTM(128, 128, batch_first=True, bidirectional=True)
    network.lstm_video = nn.LSTM(512, 128, batch_first=True, bidirectional=True)
    network.affine_audio, network.affine_video = nn.Linear(128, 512), nn.Linear(512, 512)
    network.affine_v, network.affine_g = nn.Linear(512, 49, bias=False), nn.Linear(512, 49, bias=False)
    network.affine_h = nn.Linear(49, 1, bias=False)
    if kind == 'att_Net':
        network.L1, network.L2, network.relu = nn.Linear(512, 64), nn.Linear(64, 29), nn.ReLU()
    else:
        for leaf in ('U_v', 'U_a'):
            setattr(network, leaf, nn.Sequential(nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 256)))
        network.L2 = nn.Linear(256, 29)
    return network


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('name, kind, fusion, head', [
    ('models', 'att_Net', 'concat', 'AVELHead'), ('models_fusion', 'TBMRF_Net', 'dmrn', 'AVELHead'),
    ('models_weakly', 'att_Net', 'concat', 'WeakAVELHead')])
def test_networks_pickled_whole(tmp_path, monkeypatch, zipped, name, kind, fusion, head):
    monkeypatch.setitem(sys.modules, name, None)
    network = official_network(name, kind)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.save(network, tmp_path / 'released.pt', _use_new_zipfile_serialization=zipped)
    del sys.modules[name]
    ours = net(fusion, head)
    ours.load_state_dict(avel_from_official(read_avel_checkpoint(tmp_path / 'released.pt')))
    for official, value in network.state_dict().items():
        assert_close(avel_to_official(ours.state_dict())[official], value, rtol=0, atol=0)


def test_state_dict_is_read_as_well(tmp_path):
    torch.save({'L1.bias': torch.ones(3)}, tmp_path / 'state.pt')
    assert read_avel_checkpoint(tmp_path / 'state.pt')['L1.bias'].tolist() == [1, 1, 1]
    torch.save([1, 2], tmp_path / 'list.pt')
    with pytest.raises(CheckpointError, match=r'list\.pt holds a list, neither a network of AVE nor its state dict'):
        read_avel_checkpoint(tmp_path / 'list.pt')


def test_keras_weights_both_ways(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='CrossModalMatching'))
    arrays = matching_to_keras(model.state_dict())
    assert arrays['dense_1.kernel'].shape == (512, 128) and arrays['dense_3.kernel'].shape == (128, 128)
    write_keras_weights(tmp_path / 'cmm_model_weights.h5', arrays)
    read = read_keras_weights(tmp_path / 'cmm_model_weights.h5')
    assert {k: v.tobytes() for k, v in read.items()} == {k: v.tobytes() for k, v in arrays.items()}
    state = matching_from_keras(read)
    for name, value in model.state_dict().items():
        assert torch.equal(state[name], value)


def test_keras_file_has_the_layout_of_keras(tmp_path):
    arrays = {'dense_1.kernel': np.ones((2, 3), 'f4'), 'dense_1.bias': np.zeros(3, 'f4')}
    write_keras_weights(tmp_path / 'w.h5', arrays)
    with h5py.File(tmp_path / 'w.h5') as file:
        assert list(file.attrs['layer_names']) == [b'dense_1']
        assert list(file['dense_1'].attrs['weight_names']) == [b'dense_1/kernel:0', b'dense_1/bias:0']
        assert file['dense_1/dense_1/kernel:0'].shape == (2, 3)
    with h5py.File(tmp_path / 'model.h5', 'w') as file, h5py.File(tmp_path / 'w.h5') as weights:
        weights.copy('dense_1', file.create_group('model_weights'))
        file['model_weights'].create_group('leaky_re_lu_1')
    assert set(read_keras_weights(tmp_path / 'model.h5')) == {'dense_1.kernel', 'dense_1.bias'}


def test_bad_keras_files(tmp_path):
    with pytest.raises(CheckpointError, match=r'absent\.h5: the Keras weights cannot be read'):
        read_keras_weights(tmp_path / 'absent.h5')
    (tmp_path / 'torn.h5').write_bytes(b'\x89HDF')
    with pytest.raises(CheckpointError, match=r'torn\.h5: the Keras weights cannot be read'):
        read_keras_weights(tmp_path / 'torn.h5')
    write_keras_weights(tmp_path / 'none.h5', {})
    with pytest.raises(CheckpointError, match=r'none\.h5: there are no layers of a Keras weight file'):
        read_keras_weights(tmp_path / 'none.h5')
    with pytest.raises(CheckpointError, match='the Keras weights have no dense_1.kernel; there are dense_9.bias'):
        matching_from_keras({'dense_9.bias': np.ones(1)})


def test_official_names_of_matching():
    state = MODELS.build(dict(type='CrossModalMatching')).state_dict()
    official = matching_to_official(state)
    assert official['video_fc1.weight'].shape == (128, 512)
    assert matching_from_official(official).keys() == state.keys()


def test_command_line_kinds(tmp_path):
    """What ``tools/model_converters/convert.py --project cmran --kind ...`` does with both kinds of file."""
    from avmm.engine.checkpoint import load_checkpoint
    from projects.cmran.cmran.converter import CONVERTERS
    model = MODELS.build(dict(type='CrossModalMatching'))
    CONVERTERS['matching'].write(dict(state_dict=model.state_dict()), tmp_path / 'w.h5')
    read = CONVERTERS['matching'].read(tmp_path / 'w.h5', False, False)
    model.load_state_dict(read['state_dict'])
    network = net()
    CONVERTERS['avel'].write(dict(state_dict=network.state_dict()), tmp_path / 'AV_att.pt')
    assert 'affine_h.weight' in load_checkpoint(tmp_path / 'AV_att.pt')
    network.load_state_dict(CONVERTERS['avel'].read(tmp_path / 'AV_att.pt', False, False)['state_dict'])
