"""Features of clips for inferencers."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.apis.features import build_extractors, extract_features, given_features
from avmm.datasets.feature_store import ArraySpec
from avmm.extraction import FeatureExtractor
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError

CPU = torch.device('cpu')


@EXTRACTORS.register_module()
class SumOfUnits(FeatureExtractor):
    """The sum of each unit."""

    modality, batch_size = 'audio', 3

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec, self.calls = ArraySpec((None, )), []

    def load(self, media):
        return torch.zeros(1, 1)

    def forward(self, units):
        self.calls.append(len(units))
        return units.flatten(1).sum(1)


def test_clips_pass_an_extractor_together_where_they_can():
    extractor = SumOfUnits()
    found = extract_features(extractor, [torch.ones(2, 4), torch.ones(3, 4)], CPU)
    assert [x.tolist() for x in found] == [[4, 4], [4, 4, 4]] and extractor.calls == [3, 2]
    apart = extract_features(extractor, [torch.ones(2, 4), torch.ones(1, 2, 2)], CPU)
    assert [x.tolist() for x in apart] == [[4, 4], [4]]
    assert extract_features(extractor, [], CPU) == []


def test_extractors_of_a_config_and_of_a_file(tmp_path):
    configs = dict(sound=dict(type='SumOfUnits'))
    assert list(build_extractors(configs, ['audio'], CPU)) == ['audio']
    assert build_extractors(None, ['audio', 'visual'], CPU) == {}
    assert list(build_extractors(configs, ['audio', 'visual'], CPU, all_needed=False)) == ['audio']
    with pytest.raises(ConfigError, match='the model takes audio and visual, got extractors of audio'):
        build_extractors(configs, ['audio', 'visual'], CPU)
    (tmp_path / 'config.py').write_text('model = dict()')
    with pytest.raises(ConfigError, match='config.py: the config has no extractors'):
        build_extractors(tmp_path / 'config.py', ['audio'], CPU)


def test_features_that_are_given(tmp_path):
    name, arrays = given_features(dict(sample_id='a', audio=[[1.0]], other=3), ['audio', 'visual'])
    assert name == 'a' and list(arrays) == ['audio'] and arrays['audio'].shape == (1, 1)
    np.savez(tmp_path / 'clip.npz', visual=np.ones((2, 3)))
    name, arrays = given_features(tmp_path / 'clip.npz', ['audio', 'visual'])
    assert name.endswith('clip.npz') and list(arrays) == ['visual']
    assert given_features('a.mp4', ['audio']) is None and given_features(dict(video_path='a'), ['audio']) is None
    whole = (tmp_path / 'clip.npz').read_bytes()
    for content in (b'', b'no archive', whole[:len(whole) // 2]):
        (tmp_path / 'broken.npz').write_bytes(content)
        with pytest.raises(DataError, match='broken.npz: not a readable file of features'):
            given_features(tmp_path / 'broken.npz', ['audio'])
