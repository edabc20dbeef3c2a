"""AVE: the published files, packed ones, every setting, and batches that are read at once."""
from __future__ import annotations

import os
import pickle
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader, Subset

from avmm.datasets import AVEDataset, DefaultSampler, av_collate
from avmm.datasets.ave_files import (
    AVE_CLASSES,
    BACKGROUND,
    CHECKSUMS,
    check_official,
    one_hot,
    parse_annotations,
    read_annotations,
    read_array,
    video_classes,
)
from avmm.engine.runner import AVRunner
from avmm.utils import ConfigError, DataError
from tests.datasets.ave_files_for_tests import MATCH, NOISY, TEST, TRAIN, VAL, lines, write_h5, write_official


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The folder of a small AVE, and its features."""
    root = tmp_path_factory.mktemp('ave')
    return root, write_official(root)


@pytest.fixture
def own(tmp_path):
    """A folder of its own, for tests that damage it, and its features."""
    return tmp_path, write_official(tmp_path)


def test_the_classes_are_28_and_background():
    assert len(AVE_CLASSES) == BACKGROUND == 28 and AVEDataset.METAINFO['classes'][28] == 'background'
    assert AVE_CLASSES[0] == 'Church bell' and AVE_CLASSES[27] == 'Mandolin'


@pytest.mark.parametrize(('split', 'order'), [('train', TRAIN), ('val', VAL), ('test', TEST)])
def test_supervised_samples(made, split, order):
    root, features = made
    dataset = AVEDataset(root, split)
    known = parse_annotations(lines())
    assert len(dataset) == len(order)
    for i, row in enumerate(order):
        item = dataset[i]
        assert item['inputs']['audio'].dtype == item['inputs']['visual'].dtype == torch.float32
        assert np.array_equal(item['inputs']['audio'], features['audio_feature'][row])
        assert np.array_equal(item['inputs']['visual'], features['visual_feature'][row])
        sample = item['data_samples']
        assert (sample.sample_id, sample.row, sample.num_classes) == (known.names[row], row, 29)
        assert sample.gt_label == known.classes[row] == dataset.labels[i]
        assert sample.gt_segments.tolist() == known.segments()[row].tolist()
        assert 'gt_mask' not in sample
    assert dataset.get_cat_ids(1) == [int(dataset.labels[1])]


def test_weak_training_has_background_and_no_segments(made):
    root, features = made
    dataset = AVEDataset(root, setting='weak')
    assert len(dataset) == len(TRAIN) + NOISY
    assert dataset.labels[-NOISY:].tolist() == [28] * NOISY
    batch = dataset.__getitems__([len(TRAIN) + 1, 0, len(TRAIN), 3])
    noisy, videos = features['visual_feature_noisy'], features['visual_feature']
    assert np.array_equal(batch['inputs']['visual'], [noisy[1], videos[TRAIN[0]], noisy[0], videos[TRAIN[3]]])
    assert [s.sample_id for s in batch['data_samples']] == ['background_0001', 'id_5', 'background_0000', 'id_1']
    assert all('gt_segments' not in s for s in batch['data_samples'])
    assert len(AVEDataset(root, setting='weak', background=False)) == len(TRAIN)
    tested = AVEDataset(root, 'test', setting='weak')
    assert len(tested) == len(TEST) and 'gt_segments' in tested[0]['data_samples']


def test_matching_has_a_split_of_its_own_and_vectors(made):
    root, features = made
    known = parse_annotations(lines())
    for split, order in MATCH.items():
        dataset = AVEDataset(root, split, setting='matching')
        batch = dataset.__getitems__(range(len(order)))
        assert [s.row for s in batch['data_samples']] == order
        assert np.array_equal([s.gt_mask for s in batch['data_samples']], known.mask()[order])
        # No file of vectors: they are the means of the maps.
        assert np.allclose(batch['inputs']['visual'], features['visual_feature'][order].mean((2, 3)), atol=1e-6)


def test_vectors_are_read_where_they_are_stored(own):
    root, features = own
    write_h5(root / 'visual_feature_vec.h5', features['visual_feature'].mean((2, 3)) + 1)
    dataset = AVEDataset(root, visual='vectors', modalities=['visual'], dtype=None)
    assert np.array_equal(dataset[2]['inputs']['visual'], features['visual_feature'][TRAIN[2]].mean((1, 2)) + 1)
    assert set(dataset[2]['inputs']) == {'visual'}
    weak = AVEDataset(root, setting='weak', visual='vectors', dtype='float16')
    assert weak[-1]['inputs']['visual'].shape == (10, 8)


@pytest.mark.parametrize(('dtype', 'expected'), [(None, torch.float64), ('float16', torch.float16),
                                                 ('float32', torch.float32), ('float64', torch.float64)])
def test_types(made, dtype, expected):
    root, features = made
    item = AVEDataset(root, dtype=dtype)[4]
    assert item['inputs']['visual'].dtype == item['inputs']['audio'].dtype == expected
    assert np.array_equal(item['inputs']['visual'].double(), features['visual_feature'][TRAIN[4]])


def test_number_of_segments_and_grid_are_those_of_the_files(own):
    root, features = own
    for name in ('audio_feature', 'visual_feature'):
        write_h5(root / f'{name}.h5', features[name][:, :6])
    for name in ('labels', 'labels_closs'):
        write_h5(root / f'{name}.h5', read_array(root / f'{name}.h5')[:, :6])
    batch = AVEDataset(root).__getitems__([0, 1])
    assert batch['inputs']['visual'].shape == (2, 6, 3, 3, 8) and batch['data_samples'][0].gt_segments.shape == (6, )
    assert AVEDataset(root, label_source='annotations')[0]['data_samples'].gt_segments.shape == (6, )


# Labels ------------------------------------------------------------------------------------------------------------

def labels_of(root, **options) -> list:
    samples = AVEDataset(root, setting='matching', **options).__getitems__(range(4))['data_samples']
    return [(s.gt_label, s.gt_segments.tolist(), s.gt_mask.tolist()) for s in samples]


def test_labels_are_the_same_from_every_source(own):
    root, _ = own
    expected = labels_of(root)
    assert labels_of(root, label_source='h5') == labels_of(root, label_source='annotations') == expected
    (root / 'labels.h5').unlink()
    assert labels_of(root) == expected
    (root / 'Annotations.txt').unlink()
    assert labels_of(root) == expected
    assert AVEDataset(root)[0]['data_samples'].sample_id == 'row_0005'
    (root / 'labels_closs.h5').unlink()
    with pytest.raises(DataError, match=r'labels\.h5: there are no labels of segments, neither this file and no Ann'):
        AVEDataset(root)
    assert AVEDataset(root, setting='weak')[0]['data_samples'].gt_label == parse_annotations(lines()).classes[5]


def test_the_class_follows_from_the_segments_where_nothing_else_tells_it(own):
    root, _ = own
    for name in ('mil_labels.h5', 'Annotations.txt'):
        (root / name).unlink()
    dataset = AVEDataset(root)
    expected = parse_annotations(lines()).classes.copy()
    expected[1] = 0  # all background
    assert dataset.labels.tolist() == expected[TRAIN].tolist()
    assert video_classes(np.array([[28, 3, 3], [28, 28, 28]])).tolist() == [3, 0]


def test_a_missing_list_of_events(own):
    root, _ = own
    (root / 'Annotations.txt').unlink()
    with pytest.raises(DataError, match=r'Annotations\.txt: the list of events is missing'):
        AVEDataset(root, label_source='annotations')


@pytest.mark.parametrize(('line', 'message'), [
    ('Church bell&x&good&0', "Category&YouTube id&Quality&Start&End is expected, got 'Church bell&x&good&0'"),
    ('Church bel&x&good&0&3', "'Church bel' is none of the 28 event classes"),
    ('Bark&x&good&5&3', "start and end are whole seconds, start first; got '5', '3'"),
    ('Bark&x&good&-1&3', 'start and end are whole seconds'),
])
def test_a_wrong_line(tmp_path, line, message):
    (tmp_path / 'a.txt').write_text(f'{lines()[0]}\n{line}\n')
    with pytest.raises(DataError) as error:
        read_annotations(tmp_path / 'a.txt')
    assert str(error.value).startswith(f'{tmp_path}/a.txt:2: {message}')


# Batches -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('workers', [0, 1, 2])
@pytest.mark.parametrize('setting', ['supervised', 'weak'])
def test_batches_are_those_of_single_samples(made, workers, setting):
    dataset = AVEDataset(made[0], setting=setting)
    sampler = DefaultSampler(dataset, seed=3)
    loader = DataLoader(dataset, 4, sampler=sampler, num_workers=workers, collate_fn=av_collate)
    batches = list(loader)
    order = sampler.order(0)
    assert [len(b['data_samples']) for b in batches] == [4] * (len(order) // 4) + [len(order) % 4]
    for k, batch in enumerate(batches):
        single = av_collate([dataset[int(i)] for i in order[4 * k:4 * k + 4]])
        for name, value in single['inputs'].items():
            assert torch.equal(batch['inputs'][name], value) and type(batch['inputs'][name]) is torch.Tensor
        assert [s.sample_id for s in batch['data_samples']] == [s.sample_id for s in single['data_samples']]


def test_sequential_batches_without_the_tail(made):
    dataset = AVEDataset(made[0])
    loader = DataLoader(dataset, 3, drop_last=True, collate_fn=av_collate,
                        sampler=DefaultSampler(dataset, seed=0, shuffle=False))
    rows = [[s.row for s in batch['data_samples']] for batch in loader]
    assert rows == [TRAIN[:3], TRAIN[3:6]]


@pytest.mark.parametrize('setting', ['supervised', 'weak', 'matching'])
def test_the_loaders_of_the_base_configs(made, setting):
    base = Path(__file__).resolve().parents[2] / 'configs' / '_base_'
    cfg = Config.fromfile(base / 'datasets' / f'ave_{setting}.py')
    sizes = {}
    for split in ('train', 'val', 'test'):
        loader_cfg = cfg[f'{split}_dataloader']
        loader_cfg.dataset.data_root = str(made[0])
        with DefaultScope.overwrite_default_scope('avmm'):
            loader = AVRunner.build_dataloader(dict(loader_cfg, pin_memory=False), seed=0)
        batch = next(iter(loader))
        sizes[split] = (loader.batch_size, len(loader.dataset))
        assert batch['inputs']['audio'].shape == (len(loader.dataset), 10, 4)
    counts = [len(MATCH[s]) for s in MATCH] if setting == 'matching' else [len(TRAIN), len(VAL), len(TEST)]
    counts[0] += NOISY * (setting == 'weak')
    assert list(sizes.values()) == list(zip((32, 16, 16), counts, strict=True))


def test_a_resumed_epoch_goes_on_with_the_next_batch(made):
    dataset = AVEDataset(made[0])

    def rows(skipped: int) -> list[list[int]]:
        sampler = DefaultSampler(dataset, seed=5)
        sampler.skip(skipped)
        loader = DataLoader(dataset, 2, sampler=sampler, num_workers=1, collate_fn=av_collate)
        return [[s.row for s in batch['data_samples']] for batch in loader]

    assert rows(4) == rows(0)[2:]


def test_data_sets_over_it(made):
    root, _ = made
    dataset, tested = AVEDataset(root), AVEDataset(root, 'test')
    subset = dataset.get_subset([3, 1])
    assert len(subset) == 2 and subset.labels.tolist() == dataset.labels[[3, 1]].tolist()
    assert subset[0]['data_samples'].row == TRAIN[3] and len(dataset) == len(TRAIN)
    assert len(AVEDataset(root, indices=2)) == 2
    both = ConcatDataset([dataset, tested])
    assert both[len(TRAIN) + 1]['data_samples'].row == TEST[1]
    batch = next(iter(DataLoader(Subset(tested, [2, 0]), 2, collate_fn=av_collate)))
    assert [s.row for s in batch['data_samples']] == [TEST[2], TEST[0]]
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[1]['inputs']['audio'], dataset[1]['inputs']['audio'])
    lazy = AVEDataset(root, lazy_init=True)
    assert lazy[-1]['data_samples'].row == TRAIN[-1]


def test_a_batch_may_be_written_to(made):
    dataset = AVEDataset(made[0])
    batch = dataset.__getitems__([0, 1])
    batch['inputs']['audio'].zero_()
    batch['data_samples'][0].gt_segments[:] = 5
    again = dataset.__getitems__([0, 1])
    assert again['inputs']['audio'].any() and again['data_samples'][0].gt_segments.tolist() != [5] * 10


def test_the_fingerprint_names_the_samples(made):
    root, _ = made
    dataset = AVEDataset(root)
    assert dataset.fingerprint() == AVEDataset(root, label_source='annotations').fingerprint()
    assert dataset.fingerprint() == dataset.get_subset(list(range(len(TRAIN)))[::-1]).fingerprint()
    prints = {dataset.fingerprint(), AVEDataset(root, 'test').fingerprint(),
              AVEDataset(root, setting='weak').fingerprint(), dataset.get_subset([0, 1]).fingerprint()}
    assert len(prints) == 4


# Faults ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('options', 'message'), [
    (dict(split='training'), "split must be one of train, val, test, got 'training'"),
    (dict(setting='weakly'), "setting must be one of supervised, weak, matching, got 'weakly'"),
    (dict(dtype='int8'), "dtype must be one of None, float16, float32, float64, got 'int8'"),
    (dict(storage='ram'), 'storage must be one of auto, h5, store'),
    (dict(visual='map'), 'visual must be one of auto, maps, vectors'),
    (dict(label_source='txt'), 'label_source must be one of auto, h5, annotations'),
    (dict(modalities=['video']), r"modalities are 'audio' and 'visual', got \['video'\]"),
])
def test_wrong_options(made, options, message):
    with pytest.raises(ConfigError, match=message):
        AVEDataset(made[0], **options)


DAMAGE = [
    ('visual_feature.h5', Path.unlink, 'the file is missing'),
    ('audio_feature.h5', lambda p: p.write_bytes(b''), 'the file is empty; make or copy it again'),
    ('audio_feature.h5', lambda p: p.write_bytes(p.read_bytes()[:3000]), r'the file is truncated \(3000 bytes\)'),
    ('labels.h5', lambda p: p.write_text('no labels at all'), 'not an HDF5 file'),
    ('labels.h5', lambda p: write_h5(p, np.zeros((12, 10, 29))), 'labels are one-hot vectors, and these are not'),
    ('labels.h5', lambda p: write_h5(p, np.zeros((12, 10, 28))), r'labels have shape \(N, S, 29\), got \(12, 10, 2'),
    ('labels.h5', lambda p: write_h5(p, one_hot(np.zeros((12, 9), int))), '9 segments, where the features have 10'),
    ('mil_labels.h5', lambda p: write_h5(p, one_hot(np.zeros(11, int))), '11 videos, where the features have 12'),
    ('audio_feature.h5', lambda p: write_h5(p, np.zeros((12, 9, 4))), '10 segments, .*audio_feature.h5 has 9'),
    ('visual_feature.h5', lambda p: write_h5(p, np.zeros((11, 10, 3, 3, 8))), '11 rows, where the features of'),
    ('train_order.h5', lambda p: write_h5(p, np.array([0, 12]), 'order'), 'row 12 is named, where the feat'),
    ('train_order.h5', lambda p: write_h5(p, np.array([0.5]), 'order'), 'an order is a list of whole numbers'),
    ('train_order.h5', lambda p: write_h5(p, np.array([0])), "no data set 'order'; the file has avadataset"),
    ('Annotations.txt', lambda p: p.write_text(lines()[0]), '1 videos, where the features have 12'),
]


@pytest.mark.parametrize(('name', 'damage', 'message'), DAMAGE)
def test_files_that_do_not_serve(own, name, damage, message):
    root, _ = own
    damage(root / name)
    with pytest.raises(DataError, match=message) as error:
        AVEDataset(root)
    assert '\n' not in str(error.value) and str(error.value).startswith(str(root))


@pytest.mark.parametrize(('name', 'values', 'message'), [
    ('labels_noisy.h5', one_hot(np.full(2, 28)), '2 rows, where the features of'),
    ('audio_feature_noisy.h5', np.zeros((3, 10, 5)), r'shape \(10, 5\), those of audio_feature.h5 \(10, 4\)'),
    ('visual_feature_noisy.h5', np.zeros((2, 10, 3, 3, 8)), '2 rows, where'),
])
def test_files_of_background_that_do_not_serve(own, name, values, message):
    root, _ = own
    write_h5(root / name, values)
    with pytest.raises(DataError, match=message):
        AVEDataset(root, setting='weak')
    assert len(AVEDataset(root)) == len(TRAIN)


def test_another_order_file(own):
    root, _ = own
    write_h5(root / 'mine.h5', np.array([7, 7, 1], np.int32), 'order')
    assert [AVEDataset(root, order_file='mine.h5')[i]['data_samples'].row for i in range(3)] == [7, 7, 1]


def test_files_in_chunks_are_read_as_well(own):
    root, features = own
    write_h5(root / 'visual_feature.h5', features['visual_feature'].astype('float32'), compression='gzip')
    with h5py.File(root / 'visual_feature.h5') as file:
        assert file['avadataset'].chunks
    loader = DataLoader(AVEDataset(root), 7, num_workers=1, collate_fn=av_collate)
    assert np.array_equal(next(iter(loader))['inputs']['visual'], features['visual_feature'][TRAIN])


# The published label files -----------------------------------------------------------------------------------------

def test_checksums_tell_the_published_files(own):
    root, _ = own
    found = check_official(root)
    assert set(found) == set(CHECKSUMS) and not any(found.values())
    real = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'data' / 'ave'
    if real.is_dir():
        assert check_official(real) == dict.fromkeys(CHECKSUMS, True)


def test_labels_in_files_are_those_of_the_annotations(made):
    real = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'data' / 'ave'
    root = real if real.is_dir() else made[0]
    known = read_annotations(root / 'Annotations.txt')
    assert np.array_equal(known.mask(), read_array(root / 'labels_closs.h5'))
    assert np.array_equal(one_hot(known.classes), read_array(root / 'mil_labels.h5'))
    orders = [read_array(root / f'{split}_order.h5', 'order') for split in ('train', 'val', 'test')]
    assert sorted(np.concatenate(orders)) == list(range(len(known.names)))
    if root == real:
        assert [len(o) for o in orders] == [3339, 402, 402]
        lengths = np.bincount(known.mask().sum(1))
        assert lengths.tolist() == [1, 0, 214, 220, 217, 196, 200, 139, 111, 95, 2750]
        packed = np.ascontiguousarray(one_hot(known.segments(), '<i8'))
        assert f'{zlib.crc32(packed):08x}' == '1fa34260'
