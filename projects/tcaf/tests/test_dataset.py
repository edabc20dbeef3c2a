"""Clips in batches: what is read, padded and cropped, with whom they are paired, and how they cross from a worker."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from avmm.datasets import SampleIndex, av_collate
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.collation import Collation
from projects.tcaf.tcaf.dataset import GZSLDataset
from projects.tcaf.tcaf.negatives import NegativePairs, OwnDraws
from projects.tcaf.tests.benchmark_for_tests import FEATURES, NAMES, SPLITS, write_toy


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('toy')
    clips = write_toy(root)
    return root, [(stage, name, *clip) for (stage, name), members in clips.items() for clip in members]


def of(clips, *stages):
    return [clip for stage in stages for name in SPLITS[stage] for clip in clips if clip[:2] == (stage, name)]


@pytest.mark.parametrize(('split', 'stages'), [
    ('train', ['stage_1_train']), ('val', ['stage_1_val_seen', 'stage_1_val_unseen']),
    ('train_val', ['stage_1_train', 'stage_1_val_seen', 'stage_1_val_unseen']),
    ('test', ['stage_2_test_seen', 'stage_2_test_unseen'])])
def test_a_split_in_its_order(made, split, stages):
    root, clips = made
    dataset, expected = GZSLDataset(root, split=split), of(clips, *stages)
    assert [dataset._names[i] for i in range(len(dataset))] == [clip[2] for clip in expected]
    assert dataset.labels.tolist() == [NAMES.index(clip[1]) for clip in expected]
    batch = dataset.__getitems__(range(len(dataset)))
    for i, (_, _, name, audio, video) in enumerate(expected):
        assert batch['data_samples'][i].sample_id == name
        for key, own in (('audio', audio), ('visual', video)):
            values, mask = batch['inputs'][key][i], batch['inputs'][f'{key}_mask'][i]
            assert np.array_equal(values[:len(own)], own.astype('float32')) and not values[len(own):].any()
            assert mask.tolist() == [1.] * len(own) + [0.] * (len(mask) - len(own))
    assert batch['inputs']['audio'].shape[1] == max(len(clip[3]) for clip in expected)
    np.testing.assert_allclose(batch['inputs']['audio_time'][0], 0.96 * np.arange(batch['inputs']['audio'].shape[1]))
    assert batch['inputs']['visual_time'].dtype == torch.float64


def test_words_follow_the_classes(made):
    dataset = GZSLDataset(made[0], split='val', word_order='by_class')
    assert dataset.metainfo['class_ids'] == [0, 1, 2, 3] and dataset.metainfo['unseen_ids'] == [3]
    assert dataset.metainfo['classes'] == NAMES[:4] and dataset.class_words.shape == (4, 300)
    words = dataset.__getitems__([0, len(dataset) - 1])['inputs']['word']
    assert torch.equal(words, dataset.class_words[[0, 3]])
    published = GZSLDataset(made[0], split='val')
    assert not torch.equal(published.class_words[2], dataset.class_words[2])


def test_features_of_left_out_classes_are_not_read(made):
    dataset = GZSLDataset(made[0], split='test')
    assert 6 not in dataset.labels and len(dataset) == 2 * (4 + 2)


def test_one_sample_has_its_own_length(made):
    root, clips = made
    sample = GZSLDataset(root)[1]
    assert np.array_equal(sample['inputs']['visual'], of(clips, 'stage_1_train')[1][4])
    assert sample['inputs']['word'].shape == (300, ) and sample['data_samples'].gt_label == 0


def test_fixed_lengths_crop_and_pad(made):
    root, clips = made
    dataset = GZSLDataset(root, seq_len=dict(mode='fixed', max_len=5, trim='center'))
    batch = dataset.__getitems__(range(len(dataset)))['inputs']
    assert batch['visual'].shape[1] == 5 and batch['audio'].shape[1] == 3
    for i, (_, _, _, audio, video) in enumerate(of(clips, 'stage_1_train')):
        start = max(len(video) - 5, 0) // 2
        assert np.array_equal(batch['visual'][i][:len(video)], video[start:start + 5])
        sound = min(max(len(audio) - 3, 0), round(start * 2 / 3))
        assert np.array_equal(batch['audio'][i][:len(audio)], audio[sound:sound + 3].astype('float32'))


def test_the_length_of_the_sound():
    assert [Collation('fixed', n).fixed_audio_length for n in (60, 300)] == [37, 184]
    assert [Collation('fixed', n, audio_length='ratio').fixed_audio_length for n in (60, 300)] == [40, 200]
    assert Collation('fixed', 60, rates=dict(audio=1, visual=1)).fixed_audio_length == 60
    for wrong, message in ((dict(mode='min'), 'mode must be one of max, fixed'), (dict(max_len=0), 'at least 1'),
                           (dict(rates=dict(audio=1)), 'rates a number above 0 for audio and for visual')):
        with pytest.raises(ConfigError, match=message):
            Collation(**wrong)


def test_random_crops_never_start_at_the_last_step():
    rule, seen = Collation('fixed', 5), []
    rule.window(np.array([9, 9]), np.array([8, 5]), lambda i, n: seen.append((i, n)) or n - 1)
    assert seen == [(0, 3)]


def test_a_draw_decides_its_crop_whatever_batch_it_is_in(made):
    dataset = GZSLDataset(made[0], seq_len=dict(mode='fixed', max_len=2))
    draws = [SampleIndex(i % len(dataset), 3, 1, i) for i in range(40)]
    whole = dataset.__getitems__(draws)['inputs']['visual']
    halves = [dataset.__getitems__(draws[part])['inputs']['visual'] for part in (slice(0, 13), slice(13, 40))]
    assert torch.equal(whole, torch.cat(halves))
    other = dataset.__getitems__([SampleIndex(int(i), 3, 2, i.position) for i in draws])['inputs']['visual']
    assert not torch.equal(whole, other)


def test_global_draws_follow_the_stream_of_torch(made):
    dataset = GZSLDataset(made[0], seq_len=dict(mode='fixed', max_len=2), draws='global')
    torch.manual_seed(5)
    starts = [int(torch.randint(n - 2, (1, ))) if n > 2 else 0 for n in dataset.lengths['visual']]
    torch.manual_seed(5)
    batch = dataset.__getitems__(range(len(dataset)))['inputs']['visual']
    full = GZSLDataset(made[0]).__getitems__(range(len(dataset)))['inputs']['visual']
    for row, start in enumerate(starts):
        assert torch.equal(batch[row], full[row, start:start + 2])


# Negatives ------------------------------------------------------------------------------------------------------

def test_negatives_only_on_request_and_of_another_class(made):
    plain, paired = GZSLDataset(made[0]), GZSLDataset(made[0], negatives=True)
    assert 'negative' not in plain.__getitems__([0])['inputs']
    draws = [SampleIndex(i, 0, 0, i) for i in range(len(paired))]
    inputs = paired.__getitems__(draws)['inputs']
    assert set(inputs['negative']) == set(inputs) - {'negative'}
    assert (inputs['word'] != inputs['negative']['word']).any(1).all()
    again = paired.__getitems__([SampleIndex(i, 0, 1, i) for i in range(len(paired))])['inputs']
    assert not torch.equal(inputs['negative']['word'], again['negative']['word'])


def test_pairs_of_evaluation_are_fixed(made):
    dataset = GZSLDataset(made[0], split='val', negatives=True)
    first, second = (dataset.__getitems__([SampleIndex(i, seed, 0, i) for i in range(len(dataset))])['inputs']
                     for seed in (0, 1))
    assert torch.equal(first['negative']['word'], second['negative']['word'])
    assert torch.equal(first['negative']['audio'], second['negative']['audio'])


def test_classes_of_negatives_are_equally_likely():
    labels = np.repeat([0, 4, 7], [1, 2, 97])
    pairs, index = NegativePairs(labels, fixed=False), [SampleIndex(1, 0, 0, i) for i in range(3000)]
    chosen = labels[pairs.partners(np.ones(3000, np.int64), OwnDraws(index))]
    assert set(chosen) == {0, 7} and abs((chosen == 0).mean() - 0.5) < 0.05
    with pytest.raises(DataError, match='there is one class only'):
        NegativePairs(np.zeros(3), fixed=True)


def test_global_pairs_draw_as_the_published_program():
    from projects.tcaf.tcaf.negatives import GlobalDraws
    labels = np.array([3, 5, 3, 8, 5, 3])
    members = {c: np.flatnonzero(labels == c) for c in (3, 5, 8)}
    np.random.seed(1)
    expected = []
    for index in (0, 4, 3):
        positive = index
        while positive == index and len(members[labels[index]]) > 1:
            positive = np.random.choice(members[labels[index]])
        other = np.random.choice([c for c in (3, 5, 8) if c != labels[index]])
        expected.append(np.random.choice(members[other]))
    np.random.seed(1)
    assert NegativePairs(labels, False, True).partners(np.array([0, 4, 3]), GlobalDraws()).tolist() == expected


# Loading --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('workers', [0, 1])
def test_batches_through_a_loader(made, workers):
    dataset = GZSLDataset(made[0], negatives=True)
    loader = DataLoader(dataset, 4, collate_fn=av_collate, num_workers=workers)
    batches = list(loader)
    assert len(batches) == 3 and batches[0]['inputs']['audio'].shape[0] == 4
    direct = dataset.__getitems__([0, 1, 2, 3])['inputs']
    assert torch.equal(batches[0]['inputs']['visual'], direct['visual'])
    assert torch.equal(batches[0]['inputs']['negative']['word'], direct['negative']['word'])


def test_subsets_and_lazy_data_sets(made):
    dataset = GZSLDataset(made[0], lazy_init=True)
    assert dataset.metainfo['class_ids'] == [0, 1, 2]
    part = dataset.get_subset([2, 5])
    assert len(part) == 2 and part.labels.tolist() == [0, 1]
    assert GZSLDataset(made[0], indices=[2, 5]).fingerprint() == part.fingerprint() != dataset.fingerprint()


def test_averaged_features(made, tmp_path):
    from projects.tcaf.tcaf.packing import pack_features
    pack_features(made[0] / 'features' / FEATURES, tmp_path / 'mean.h5', average=True)
    dataset = GZSLDataset(made[0], store=str(tmp_path / 'mean.h5'))
    batch = dataset.__getitems__([1, 1])['inputs']
    assert set(batch) == {'audio', 'visual', 'word'} and batch['audio'].shape == (2, 4)
    np.testing.assert_allclose(batch['visual'][0], of(made[1], 'stage_1_train')[1][4].mean(0), rtol=1e-6)


def test_half_precision(made, tmp_path):
    from projects.tcaf.tcaf.packing import pack_features
    pack_features(made[0] / 'features' / FEATURES, tmp_path / 'half.h5', dtype='float16')
    half, full = (GZSLDataset(made[0], store=store).__getitems__([3, 0])['inputs']
                  for store in (str(tmp_path / 'half.h5'), None))
    assert half['visual'].dtype == torch.float32 and torch.equal(half['visual'], full['visual'].half().float())


def test_what_is_wrong(made, tmp_path):
    for options, message in ((dict(split='dev'), "split must be one of train, val, train_val, test, got 'dev'"),
                             (dict(draws='torch'), "draws must be 'sample' or 'global'"),
                             (dict(word_order='x'), 'word_order must be one of'),
                             (dict(class_split='x'), 'class_split must be one of')):
        with pytest.raises(ConfigError, match=message):
            GZSLDataset(made[0], **options)
    with pytest.raises(DataError, match='the packed features are missing; make them with projects/tcaf/tools/pack_f'):
        GZSLDataset(made[0], store='none.h5')
