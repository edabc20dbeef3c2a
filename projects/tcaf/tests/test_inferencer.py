"""Zero-shot answers: classes by word vectors, features or videos, calibration."""
from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config

from avmm.apis import init_inferencer
from avmm.engine.checkpoint import save_checkpoint
from avmm.media import write_video
from avmm.registry import DATASETS
from avmm.testing.toy_extractor import ToyExtractor
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.inferencer import ZeroShotInferencer
from projects.tcaf.tests.benchmark_for_tests import MANUAL, NAMES, toy_words, write_toy

EXTRACTORS = dict(audio=dict(type=ToyExtractor, dim=4, pool=False, modality='audio'),
                  visual=dict(type=ToyExtractor, dim=6, pool=False))


def config(root, **model) -> Config:
    dataset = dict(type='GZSLDataset', data_root=str(root), split='test')
    model = {**dict(type='TCAF', in_channels=dict(audio=4, visual=6), encoder=dict(hidden_channels=8),
                    head=dict(hidden_channels=8), transformer=dict(depth=1, num_heads=2, head_channels=4)), **model}
    return Config(dict(custom_imports=dict(imports=['projects.tcaf.tcaf']),
                       default_scope='avmm', model=model, inferencer=dict(type='ZeroShotInferencer'),
                       test_dataloader=dict(batch_size=4, dataset=dataset)))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gzsl')
    write_toy(folder)
    return folder


@pytest.fixture
def clip():
    rng = np.random.default_rng(3)
    return dict(audio=rng.integers(0, 256, (5, 4), dtype='uint8'), visual=rng.random((8, 6), dtype='float32'))


def test_answers_are_those_of_the_metric(root):
    inferencer = init_inferencer(config(root), beta=0.3)
    dataset = DATASETS.build(inferencer.data_config())
    batch = dataset.__getitems__(range(len(dataset)))
    clips = []
    for i in range(len(dataset)):
        steps = {m: int(batch['inputs'][f'{m}_mask'][i].sum()) for m in ('audio', 'visual')}
        clips.append({m: batch['inputs'][m][i, :n].numpy() for m, n in steps.items()})
    answers = inferencer(clips, batch_size=3)
    model, about = inferencer.model, dataset.metainfo
    with torch.no_grad():
        expected = model.test_step(batch)
    handicap = 0.3 * np.isin(about['class_ids'], about['seen_ids'])
    for answer, sample in zip(answers, expected, strict=True):
        distances = sample.gzsl_distances['both'].numpy()
        np.testing.assert_allclose(answer['distances']['both'], distances, atol=1e-5)
        assert answer['index'] == int((distances + handicap).argmin())
        assert answer['label'] == about['classes'][answer['index']]
        assert about['class_ids'][answer['unseen']['index']] in about['unseen_ids']
    json.dumps(answers)


def test_classes_by_word_vectors(root, clip, tmp_path):
    words = toy_words()
    np.save(tmp_path / 'words.npy', np.array(words, dtype=object))
    inferencer = init_inferencer(config(tmp_path / 'absent'), words=tmp_path / 'words.npy', classes=MANUAL[2:5],
                                 seen=[MANUAL[3]], beta=1000.0)
    answer = inferencer(clip)[0]
    assert inferencer.classes == tuple(MANUAL[2:5])
    assert answer['label'] != MANUAL[3] and not answer['seen'] and answer['unseen']['label'] == answer['label']
    assert len(answer['distances']['both']) == 3
    everything = ZeroShotInferencer(config(tmp_path / 'absent'), words=words)
    assert everything.classes == tuple(words)
    assert init_inferencer(config(root), classes=[NAMES[0], NAMES[6]]).classes == (NAMES[0], NAMES[6])


def test_the_checkpoint_knows_the_calibration(root, clip, tmp_path):
    model = init_inferencer(config(root)).model
    save_checkpoint(dict(state_dict=model.state_dict(), zero_shot=dict(beta=0.4)), tmp_path / 'a.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), tmp_path / 'b.pth')
    assert init_inferencer(config(root), tmp_path / 'a.pth').beta == 0.4
    assert init_inferencer(config(root), tmp_path / 'a.pth', beta=0.1)(clip)[0]['beta'] == 0.1
    assert init_inferencer(config(root), tmp_path / 'b.pth').beta == 0


def test_means_for_models_of_averaged_features(root, clip):
    options = dict(_delete_=True, type='AVCA', in_channels=dict(audio=4, visual=6))
    cfg = config(root)
    cfg.merge_from_dict(dict(model=options))
    inferencer = init_inferencer(cfg)
    means = {m: x.astype('float32').mean(0) for m, x in clip.items()}
    answers = inferencer([clip, means])
    assert answers[0]['distances']['both'] == pytest.approx(answers[1]['distances']['both'])


def test_videos_pass_the_extractors(root, tmp_path):
    rng = np.random.default_rng(0)
    # Every byte of the file is a unit of the sequences, so it should be short.
    sound = rng.uniform(-0.5, 0.5, 800).astype('float32')
    write_video(tmp_path / 'a.mkv', rng.integers(0, 256, (4, 16, 24, 3), dtype='uint8'), 4.0, sound, 16000)
    cfg = config(root)
    cfg.merge_from_dict(dict(extractors=EXTRACTORS))
    inferencer = init_inferencer(cfg)
    answer = inferencer(tmp_path / 'a.mkv', pictures=tmp_path / 'pictures')[0]
    content = np.frombuffer((tmp_path / 'a.mkv').read_bytes(), 'uint8')[:, None].astype('float32')
    features = {m: content * np.arange(1, n + 1, dtype='float32') for m, n in (('audio', 4), ('visual', 6))}
    assert answer['distances']['both'] == pytest.approx(inferencer(features)[0]['distances']['both'], abs=1e-5)
    assert (tmp_path / 'pictures/a.png').is_file()


@pytest.mark.parametrize(('options', 'error', 'message'), [
    (dict(classes=['Archery', 'Juggling']), ConfigError, "the class 'Juggling' has no word vector; there are 7"),
    (dict(classes=['Archery']), ConfigError, 'choose among two different ones at least, got Archery'),
    (dict(extractors=dict(audio=EXTRACTORS['audio'])), ConfigError, 'the model takes audio and visual, got extractors '
                                                                    'of audio'),
])
def test_what_cannot_be(root, options, error, message):
    with pytest.raises(error, match=message):
        init_inferencer(config(root), **options)


def test_inputs_that_cannot_be(root, clip, tmp_path):
    inferencer = init_inferencer(config(root))
    with pytest.raises(DataError, match='features: the features of visual are missing'):
        inferencer(dict(audio=clip['audio']))
    with pytest.raises(DataError, match=r'TCAF takes sequences \(T, D\), got \(6,\) for visual'):
        inferencer(dict(clip, visual=clip['visual'][0]))
    write_video(tmp_path / 'a.mkv', np.zeros((2, 16, 16, 3), 'uint8'), 2.0)
    with pytest.raises(ConfigError, match='a video needs extractors of features'):
        inferencer(tmp_path / 'a.mkv')
    (tmp_path / 'broken.npz').write_bytes(b'PK')
    assert 'not a readable file of features' in inferencer(tmp_path / 'broken.npz', on_error='report')[0]['error']
    with pytest.raises(ConfigError, match='no class is known; give words'):
        init_inferencer(config(tmp_path / 'absent'))
