"""Synthetic UCF-GZSL: its shape, that unseen classes can be recognised in it, and the configs that draw from it."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from avmm.registry import DATA_SAMPLERS, DATASETS, METRICS
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.class_means import NearestClassMean, two_stage_class_means
from projects.tcaf.tcaf.class_splits import read_class_split
from projects.tcaf.tcaf.dataset import GZSLDataset
from projects.tcaf.tests.benchmark_for_tests import toy_clips, write_toy
from projects.tcaf.tools import class_means as class_means_tool
from projects.tcaf.tools import make_synthetic as tool

CONFIGS = sorted((Path(__file__).resolve().parents[1] / 'configs/_base_/datasets').glob('*_*_*.py'))


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('synthetic') / 'made'
    tool.build(root, tool.Options(share=0.02))
    return root


def test_the_shape_is_the_real_one(made):
    for division, unseen in (('main_split', 9), ('cls_split', 6)):
        split = read_class_split(made, division)
        assert len(split.names) == 101
        assert {stage: len(ids) for stage, ids in split.stages.items()} == dict(
            stage_1_train=30, stage_1_val_seen=30, stage_1_val_unseen=12, stage_2_test_seen=42,
            stage_2_test_unseen=unseen)
        assert not set(split.seen('test')) & set(split.unseen('test'))
    plan = tool.made_plan(tool.Options())
    counts: dict[str, int] = {}
    for (stage, _), clips in plan.clips.items():
        counts[stage] = counts.get(stage, 0) + len(clips)
    assert counts == dict(stage_1_train=3174, stage_1_val_seen=353, stage_1_val_unseen=1467, stage_2_test_seen=555,
                          stage_2_test_unseen=1267)
    everything = [clip for clips in plan.clips.values() for clip in clips]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize(('features', 'audio', 'visual'), [
    ('cls_features_non_averaged', (128, 0.96), (4096, 0.64)), ('main_features_non_averaged', (512, 1), (512, 1))])
def test_sequences_are_as_long_as_the_clips(made, features, audio, visual):
    dataset = GZSLDataset(made, features, 'test', 'main_split')
    assert [dataset._arrays[m].shape[1] for m in ('audio', 'visual')] == [audio[0], visual[0]]
    lengths = dataset.lengths
    assert 5 < lengths['visual'].mean() * visual[1] < 9 and lengths['audio'].min() >= 1
    assert np.abs(lengths['audio'] * audio[1] - lengths['visual'] * visual[1]).max() < 1
    inputs = dataset.__getitems__([0, 1])['inputs']
    assert 0 < float(inputs['audio'].max()) <= 255


def test_averages_are_those_of_the_sequences(made):
    mean = GZSLDataset(made, 'cls_features').__getitems__([4])['inputs']
    inputs = GZSLDataset(made).__getitems__([4])['inputs']
    np.testing.assert_allclose(mean['visual'][0], inputs['visual'][0].mean(0), rtol=1e-2, atol=1e-3)


def test_unseen_classes_can_be_recognised_by_their_own_words(made):
    found = {order: two_stage_class_means(lambda split, order=order: GZSLDataset(
        made, 'cls_features', split, word_order=order)) for order in ('by_class', 'manual_sorted')}
    test = found['by_class']['test']
    # Guessing gives 1 of 6 unseen classes, and 1 of 48 of all.
    assert test.zsl > 0.3 and test.hm[0] > 0.1 and found['by_class']['val'].zsl > 0.2
    assert len(test.betas) == 1 and len(found['by_class']['val'].betas) == 101


def test_the_same_options_give_the_same_content(made, tmp_path):
    meta = json.loads((made / 'meta.json').read_text())
    assert tool.build(made, tool.Options(share=0.02)) == meta
    with pytest.raises(DataError, match='with other options'):
        tool.build(made, tool.Options(share=0.03))
    with pytest.raises(ConfigError, match='--share 2'):
        tool.build(tmp_path / 'x', tool.Options(share=2))
    scenery = tool.Scenery('main', tool.made_plan(tool.Options()).words, tool.Options())
    first, again, other = scenery.clip(0, 3, 1), scenery.clip(0, 3, 1), scenery.clip(0, 3, 2)
    assert np.array_equal(first[1], again[1]) and first[1].shape[1] == 512
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


def test_published_splits_clips_and_words(tmp_path):
    root = tmp_path / 'published'
    write_toy(root)
    clips = toy_clips()
    for division in ('main_split', 'cls_split'):
        folder = root / 'class-split' / division
        folder.mkdir(exist_ok=True)
        for file in (root / 'class-split/cls_split').glob('*.txt'):
            if division == 'main_split':
                (folder / file.name).write_text(file.read_text())
            lines = [f'{name},{cls}' for (stage, cls), members in clips.items() if stage == file.stem
                     for name, *_ in members]
            (folder / f'{file.stem}.csv').write_text('\n'.join(['filename,label', *lines]) + '\n')
    options = tool.Options(share=1, official=str(root))
    meta = tool.build(tmp_path / 'made', options)
    assert meta['sizes']['stage_1_train'] == 9
    dataset, published = GZSLDataset(tmp_path / 'made', 'main_features_non_averaged'), GZSLDataset(root)
    assert dataset._names == published._names and dataset.labels.tolist() == published.labels.tolist()
    assert np.array_equal(dataset.class_words, published.class_words)


def test_class_means_of_two_clear_classes_guess_a_third():
    rng = np.random.default_rng(0)
    words = np.eye(4)
    labels = np.repeat([0, 1, 2], 20)
    words[3] = (words[0] + words[1]) / 2
    maps = rng.standard_normal((4, 30))
    features = dict(audio=words[labels] @ maps + 0.1 * rng.standard_normal((60, 30)))
    means = NearestClassMean.fit(features, labels, words, np.array([0, 1, 2, 3]), ridge=1e-3)
    between = dict(audio=words[[3, 3]] @ maps + 0.1 * rng.standard_normal((2, 30)))
    assert means.distances(between).argmin(1).tolist() == [3, 3]
    assert (means.distances(features).argmin(1) == labels).all()


def test_the_commands(made, tmp_path, capsys):
    class_means_tool.main([str(made), '--features', 'main_features', '--word-order', 'by_class', '--out',
                           str(tmp_path / 'x/values.json'), '--curves', str(tmp_path / 'x/curves.json')])
    values = json.loads((tmp_path / 'x/values.json').read_text())
    assert set(values) == {'val', 'test'} and f'hm {values["test"]["hm"]:.2f}' in capsys.readouterr().out
    assert 'class means' in json.loads((tmp_path / 'x/curves.json').read_text())['modes']
    config = tmp_path / 'config.py'
    config.write_text(f"train_dataloader = dict(dataset=dict(type='GZSLDataset', data_root='{made}', split='train', "
                      "features='main_features', word_order='by_class', negatives=True))")
    class_means_tool.main([str(config)])
    assert f'hm {values["test"]["hm"]:.2f}' in capsys.readouterr().out
    config.write_text("train_dataloader = dict(dataset=dict(type='AVEDataset'))")
    with pytest.raises(ConfigError, match='class means need the data set GZSLDataset'):
        class_means_tool.main([str(config)])


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_data_builds(made, path):
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope('avmm'):
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            dataset = DATASETS.build({**loader.dataset, 'data_root': str(made)})
            assert dataset.kind == path.stem.split('_')[2] and dataset.split == split
            sampler = DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset, seed=0))
            batch = dataset.__getitems__([next(iter(sampler))])['inputs']
            fixed = loader.dataset.get('seq_len', {}).get('mode') == 'fixed'
            assert batch['visual'].shape[1] == loader.dataset.seq_len.max_len if fixed else batch['visual'].shape[0]
        METRICS.build(cfg.val_evaluator)
    assert len(CONFIGS) == 14
    assert (cfg.train_dataloader.dataset.word_order == 'by_class') == ('synthetic' in path.stem)
