"""Tensor names of the released classifiers."""
from __future__ import annotations

import pytest

from avmm.models.fusion import (
    AttentionFusion,
    ConcatFusion,
    FiLMFusion,
    GatedFusion,
    LateFusion,
    MetamodalFusion,
    SumFusion,
    classifier_from_official,
    classifier_to_official,
    fusion_from_official,
    fusion_to_official,
)
from avmm.utils import CheckpointError

TWO = dict(audio=8, visual=8)
OFFICIAL = {
    ConcatFusion: ['fc_out'],
    SumFusion: ['fc_x', 'fc_y'],
    FiLMFusion: ['fc', 'fc_out'],
    GatedFusion: ['fc_x', 'fc_y', 'fc_out'],
    LateFusion: ['fc_a', 'fc_v'],
    AttentionFusion: ['fc_out', 'av_attn.fc', 'av_attn.fcs.0', 'av_attn.fcs.1'],
    MetamodalFusion: ['fc_out', 'fc_meta', 'discriminator_fc'],
}


@pytest.mark.parametrize('kind', OFFICIAL)
def test_names_both_ways(kind):
    fusion = kind(TWO, 3)
    official = {f'{name}.{leaf}' for name in OFFICIAL[kind] for leaf in ('weight', 'bias')}
    state = fusion.state_dict()
    assert set(fusion_to_official(state, fusion)) == official
    back = fusion_from_official(fusion_to_official(state, fusion), fusion)
    assert set(back) == set(state)
    assert all(back[name] is state[name] for name in state)


def test_x_is_audio_and_y_is_visual():
    renamed = fusion_from_official({'fc_x.weight': 'audio', 'fc_y.weight': 'visual'}, SumFusion(TWO, 3))
    assert renamed == {'fc.audio.weight': 'audio', 'fc.visual.weight': 'visual'}


@pytest.mark.parametrize('wrapper', ['', 'module.'])
def test_a_whole_classifier(wrapper):
    fusion = SumFusion(TWO, 3)
    official = {'audio_net.conv1.weight': 1, 'visual_net.layer1.0.bn1.weight': 2, 'fusion_module.fc_y.bias': 3}
    ours = classifier_from_official({wrapper + name: value for name, value in official.items()}, fusion)
    assert ours == {'encoders.audio.conv1.weight': 1, 'encoders.visual.layer1.0.bn1.weight': 2,
                    'fusion.fc.visual.bias': 3}
    assert classifier_to_official(ours, fusion) == official


def test_a_foreign_tensor_is_refused():
    with pytest.raises(CheckpointError, match="tensor 'decoder.weight' belongs to no part"):
        classifier_from_official({'decoder.weight': 1}, ConcatFusion(TWO, 3))
