"""Classes and retrieval, from features and from files."""
from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import projects.uavm.uavm  # noqa: F401
from avmm.apis.factory import init_inferencer
from avmm.datasets.feature_store import ArraySpec
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.evaluation.functional import cosine_similarity
from avmm.extraction import FeatureExtractor
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError
from projects.uavm.uavm import UAVMInferencer, UAVMRetrievalInferencer

CONFIG = """
custom_imports = dict(imports=['projects.uavm.uavm'])
default_scope = 'avmm'
model = dict(type='{type}', num_classes=4, specific_depth=1, shared_depth=1, channels=16, num_heads=2, num_steps=6,
             in_channels=8, data_preprocessor=dict(type='UAVMDataPreprocessor'))
inferencer = dict(type='UAVMInferencer')
test_dataloader = dict(dataset=dict(type='UAVMFeatureDataset', ann_file='clips.json', label_file='labels.csv',
                                    data_root='{root}', seq_len=6, test_mode=True))
"""


@EXTRACTORS.register_module()
class LoudnessOfTest(FeatureExtractor):
    """Five pieces of sound by their mean square."""

    modality = 'audio'

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec = ArraySpec((None, 8))

    def load(self, media):
        return torch.from_numpy(media.sound(8000, mono=True)[0][:4000]).view(5, 800)

    def forward(self, units):
        return units.square().mean(1, keepdim=True).expand(-1, 8)


@pytest.fixture
def config(tmp_path) -> Path:
    with open(tmp_path / 'labels.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'mid', 'display_name'])
        writer.writerows([i, f'v_{i}', f'class {i}'] for i in range(4))
    (tmp_path / 'clips.json').write_text(json.dumps(dict(data=[dict(labels='v_0', afeat='a.npy', vfeat='v.npy')])))
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(type='UAVM', root=tmp_path.as_posix()))
    return path


def clip(seed: int, *modalities: str, steps: int = 7) -> dict:
    rng = np.random.default_rng(seed)
    return {'sample_id': f'clip{seed}', **{m: rng.standard_normal((steps, 8)).astype(np.float32) for m in modalities}}


def test_classes_of_clips_with_both_or_one_modality(config):
    inferencer = init_inferencer(config, device='cpu')
    assert isinstance(inferencer, UAVMInferencer)
    both, audio, short = inferencer([clip(0, 'audio', 'visual'), clip(0, 'audio'), clip(1, 'visual', steps=2)], top=2)
    assert both['file'] == 'clip0' and both['missing'] == [] and audio['missing'] == ['visual']
    assert set(both['scores']) == {'joint', 'audio', 'visual'} and set(audio['scores']) == {'joint', 'audio'}
    assert both['scores']['audio'] == pytest.approx(audio['scores']['audio'], rel=1e-5)
    assert sum(both['scores']['joint']) == pytest.approx(1, rel=1e-5)
    assert both['label'] == f'class {both["index"]}' and len(short['top']['visual']) == 2
    json.dumps(both)


def test_files_need_extractors(config, tmp_path):
    import soundfile
    soundfile.write(tmp_path / 'a.wav', np.random.default_rng(0).uniform(-1, 1, 8000), 8000)
    with pytest.raises(ConfigError, match='a.wav needs extractors of its features'):
        init_inferencer(config, device='cpu')(str(tmp_path / 'a.wav'))
    inferencer = init_inferencer(config, device='cpu', extractors=dict(audio=dict(type='LoudnessOfTest')))
    found = inferencer(str(tmp_path / 'a.wav'), pictures=tmp_path / 'pictures')[0]
    assert found['missing'] == ['visual'] and set(found['scores']) == {'joint', 'audio'}
    assert Path(found['picture']).stat().st_size > 3000


def test_what_cannot_be_used(config, tmp_path):
    inferencer = init_inferencer(config, device='cpu')
    with pytest.raises(DataError, match=r'got \(8,\) for audio'):
        inferencer(dict(audio=np.zeros(8)))
    (tmp_path / 'broken.npz').write_bytes(b'nothing')
    assert 'not a readable file of features' in inferencer(str(tmp_path / 'broken.npz'), on_error='report')[0]['error']
    np.savez(tmp_path / 'empty.npz', other=np.zeros(3))
    with pytest.raises(DataError, match='the features of audio and visual are missing'):
        inferencer(str(tmp_path / 'empty.npz'))
    joint = config.with_name('joint.py')
    joint.write_text(config.read_text().replace("type='UAVM'", "type='CrossModalityTransformer'"))
    with pytest.raises(DataError, match='clip0: the features of visual are missing'):
        init_inferencer(joint, device='cpu')(clip(0, 'audio'))


def test_retrieval_in_both_directions(config, tmp_path):
    clips = [clip(seed, 'audio', 'visual') for seed in range(5)]
    inferencer = UAVMRetrievalInferencer(config, device='cpu', gallery=clips)
    assert len(inferencer) == 5
    found = inferencer(clips, top=5)
    vectors = {m: np.stack(inferencer._rows[m]) for m in ('audio', 'visual')}
    expected = cosine_similarity(vectors['audio'], vectors['visual'])
    for i, answer in enumerate(found):
        assert (answer['query'], answer['gallery']) == ('audio', 'visual')
        assert [row['index'] for row in answer['found']] == np.argsort(-expected[i]).tolist()
        assert [row['rank'] for row in answer['found']] == [1, 2, 3, 4, 5]
        assert answer['found'][0]['similarity'] == pytest.approx(expected[i].max(), rel=1e-4)
    back = inferencer(clips[3], query='visual', top=1, pictures=tmp_path / 'pictures')[0]
    assert back['found'][0]['file'] == f'clip{expected[:, 3].argmax()}' and back['gallery'] == 'audio'
    assert inferencer(clip(3, 'audio'))[0]['query'] == 'audio'


def test_gallery_from_a_store(config, tmp_path):
    clips = [clip(seed, 'audio', 'visual') for seed in range(3)]
    specs = {m: ArraySpec((None, 8)) for m in ('audio', 'visual')}
    with FeatureStoreWriter(tmp_path / 'gallery.h5', specs) as writer:
        for each in clips:
            writer.add(each['sample_id'], audio=each['audio'], visual=each['visual'])
    stored = UAVMRetrievalInferencer(config, device='cpu', gallery=str(tmp_path / 'gallery.h5'))
    given = UAVMRetrievalInferencer(config, device='cpu', gallery=clips)
    assert stored(clips[1])[0]['found'] == given(clips[1])[0]['found']


def test_retrieval_that_cannot_be(config):
    with pytest.raises(ConfigError, match='there is no layer 9'):
        UAVMRetrievalInferencer(config, device='cpu', layer=9)
    inferencer = UAVMRetrievalInferencer(config, device='cpu', gallery=[clip(0, 'audio')], layer=0)
    with pytest.raises(ConfigError, match='the gallery has no clips with visual features'):
        inferencer(clip(1, 'audio'))
    with pytest.raises(ConfigError, match="query='visual': clip1 has audio"):
        inferencer(clip(1, 'audio'), query='visual')
