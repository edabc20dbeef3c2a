"""Checkpoints of the released program, both ways."""
from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope

from avmm.registry import MODELS
from avmm.utils import CheckpointError
from projects.inverse_balance.inverse_balance import from_official, to_official


def build(fusion='ConcatFusion', node='ReLUNode', **options):
    init_default_scope('avmm')
    encoder = dict(type='PreActResNet18', node=dict(type=node))
    return MODELS.build(dict(type='AVClassifier', num_classes=6, heads=True, fusion=dict(type=fusion), encoders=dict(
        audio=dict(encoder, in_channels=1), visual=dict(encoder, in_channels=3)), **options))


@pytest.fixture(scope='module')
def official():
    torch.manual_seed(1)
    return to_official(build())


def test_the_model_has_the_tensors_and_parameters_of_the_released_one(official):
    assert len(official) == 290 and sum(p.numel() for p in build().parameters()) == 22365774
    names = list(official)
    assert names[:3] == ['fusion_module.fc_out.weight', 'fusion_module.fc_out.bias', 'audio_net.conv1.weight']
    assert names[-4:] == ['audio_fc.weight', 'audio_fc.bias', 'visual_fc.weight', 'visual_fc.bias']
    assert official['visual_net.layer3.0.downsample.2.weight'].shape == (256, 128, 1, 1)


@pytest.mark.parametrize('fusion', ['ConcatFusion', 'SumFusion', 'FiLMFusion', 'GatedFusion', 'AttentionFusion',
                                    'MetamodalFusion', 'LateFusion'])
def test_round_trip_of_every_fusion(fusion):
    first, second = build(fusion), build(fusion)
    state = to_official(first)
    second.load_state_dict(from_official(dict(epoch=3, state_dict=state), second))
    again = to_official(second)
    assert list(again) == list(state) and all(torch.equal(again[name], state[name]) for name in state)


def test_names_of_data_parallel_runs_and_one_modality_load(official):
    wrapped = {f'module.{name}': value for name, value in official.items()}
    model = build(only='audio')
    model.load_state_dict(from_official(wrapped, model))
    assert torch.equal(model.heads['audio'].weight, official['audio_fc.weight'])


def test_scalars_of_nodes_may_be_missing_or_left_over(official):
    spiking = build(node='LIFNode')
    bare = {name: value for name, value in official.items() if not name.endswith('threshold')}
    spiking.load_state_dict(from_official(bare, spiking))
    assert float(spiking.encoders['audio'].node1.threshold) == 0.5
    assert float(spiking.encoders['audio'].node1.act_fun.alpha) == 2
    state = to_official(spiking)
    state['audio_net.node1.threshold'] = torch.tensor(0.7)
    assert 'audio_net.node1.act_fun.alpha' in state
    rectified = build()
    rectified.load_state_dict(from_official(state, rectified))
    assert float(rectified.encoders['audio'].node1.threshold) == pytest.approx(0.7)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda s: s.pop('audio_fc.bias'), 'misses heads.audio.bias'),
    (lambda s: s.update({'audio_net.extra.weight': torch.zeros(1)}), 'has, unlike the model, encoders.audio.extra'),
    (lambda s: s.update({'decoder.weight': torch.zeros(1)}), "'decoder.weight' belongs to no part"),
    (lambda s: s.update({'audio_fc.bias': torch.zeros(31)}), r'shape \(31,\), the model \(6,\); is num_classes'),
])
def test_other_checkpoints_are_refused(official, change, message):
    state = dict(official)
    change(state)
    with pytest.raises(CheckpointError, match=message):
        from_official(state, build())


def test_a_file_without_weights_is_refused():
    with pytest.raises(CheckpointError, match='holds a list in place of a state dict'):
        from_official(dict(state_dict=[1]), build())


def test_a_checkpoint_of_another_fusion_is_refused():
    with pytest.raises(CheckpointError, match='misses fusion.squeeze.weight'):
        from_official(to_official(build()), build('AttentionFusion'))
