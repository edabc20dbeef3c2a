"""Class splits, word vectors and features as published, and what is packed of them."""
from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf import class_splits
from projects.tcaf.tcaf.cache_files import CacheFolder
from projects.tcaf.tcaf.class_splits import ClassSplit, read_class_split
from projects.tcaf.tcaf.feature_files import FeatureFolder, read_averaged, read_temporal
from projects.tcaf.tcaf.packing import PackedClips, clip_keys, pack_features
from projects.tcaf.tcaf.tensor_pickles import load_tensor_pickle
from projects.tcaf.tcaf.word_vectors import class_vectors, find_word_vectors, read_word_vectors, used_classes
from projects.tcaf.tests.benchmark_for_tests import (
    FEATURES,
    MANUAL,
    NAMES,
    SPLITS,
    toy_clips,
    toy_words,
    write_averaged,
    write_toy,
)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('toy')
    return root, write_toy(root)


class Hostile:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path, )


# Splits and words -----------------------------------------------------------------------------------------------

def test_classes_are_numbered_by_code_point():
    split = ClassSplit.of(['boxing', 'Zebra', 'apple'], {'stage_1_train': ['ZEBRA', 'apple']})
    assert split.names == ('Zebra', 'apple', 'boxing')
    assert split.stages['stage_1_train'].tolist() == [0, 1]


def test_a_name_that_differs_in_case_alone_is_exact():
    split = ClassSplit.of(['Box', 'box'], {})
    assert (split.number('Box'), split.number('box')) == (0, 1)


def test_seen_and_unseen_classes_of_each_split(made):
    split = read_class_split(made[0])
    found = {name: (split.seen(name).tolist(), split.unseen(name).tolist())
             for name in ('train', 'val', 'train_val', 'test')}
    assert found == dict(train=([0, 1, 2], []), val=([0, 1, 2], [3]), train_val=([0, 1, 2, 3], []),
                         test=([0, 1, 2, 3], [4, 5]))
    assert split.class_ids('test').tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ConfigError, match="split must be one of train, val, train_val, test, got 'dev'"):
        split.seen('dev')


def test_what_is_wrong_with_a_split(made, tmp_path):
    with pytest.raises(ConfigError, match="class_split must be one of main_split, cls_split, got 'old'"):
        read_class_split(made[0], 'old')
    with pytest.raises(DataError, match='all_class.txt: the list is missing'):
        read_class_split(tmp_path)
    write_toy(tmp_path)
    (tmp_path / 'class-split/cls_split/stage_1_train.txt').write_text('Archery\nSwimming\n')
    with pytest.raises(DataError, match="'Swimming' is none of the 7 classes of all_class.txt"):
        read_class_split(tmp_path)
    (tmp_path / 'class-split/toy_w2v_class_names.csv').write_text('name,phrase\na,b\n')
    with pytest.raises(DataError, match='columns called original and manual are expected'):
        read_class_split(tmp_path)


def test_the_published_order_of_words_moves_them_to_other_classes(made):
    split, words = read_class_split(made[0]), toy_words()
    published, own = (class_vectors(words, split, order) for order in ('manual_sorted', 'by_class'))
    # Weight Lifting comes last of the phrases, boxing before capital letters do not.
    assert used_classes(NAMES, MANUAL).tolist() == [0, 1, 6, 3, 4, 5, 2]
    assert np.array_equal(own[2], words['Weight Lifting']) and np.array_equal(published[2], words['Boxing'])
    assert np.array_equal(published, own[used_classes(split.names, split.manual)])
    assert used_classes(NAMES, MANUAL, 'by_class').tolist() == list(range(7))


def test_what_is_wrong_with_words(made, tmp_path):
    split, words = read_class_split(made[0]), toy_words()
    with pytest.raises(ConfigError, match='word_order must be one of manual_sorted, by_class'):
        class_vectors(words, split, 'sorted')
    del words['Weight Lifting']
    with pytest.raises(DataError, match='6 word vectors for 7 classes'):
        class_vectors(words, split)
    with pytest.raises(DataError, match="'CleanAndJerk' has no word vector"):
        class_vectors(words, split, 'by_class')
    np.save(tmp_path / 'a.npy', np.zeros(3))
    with pytest.raises(DataError, match='a dictionary from phrases to vectors is expected'):
        read_word_vectors(tmp_path / 'a.npy')
    with pytest.raises(DataError, match='no word vectors'):
        find_word_vectors(tmp_path / 'UCF', 'x')


def test_words_are_found_beside_features_and_above(tmp_path):
    (tmp_path / 'UCF').mkdir()
    for name in ('ucf', 'activity'):
        np.save(tmp_path / f'word_embeddings_{name}_normed.npy', np.array({'a': np.ones(3)}, object))
    assert find_word_vectors(tmp_path / 'UCF', 'x').name == 'word_embeddings_ucf_normed.npy'
    assert find_word_vectors(tmp_path / 'ActivityNet', 'x').name == 'word_embeddings_activity_normed.npy'
    text = tmp_path / 'UCF/features/x/text'
    text.mkdir(parents=True)
    np.save(text / 'mine.npy', np.array({'b': np.zeros(3)}, object))
    found = find_word_vectors(tmp_path / 'UCF', 'x')
    assert found.name == 'mine.npy' and read_word_vectors(found)['b'].dtype == np.float32


def test_hostile_words_run_nothing(tmp_path):
    np.save(tmp_path / 'w.npy', np.array({'a': Hostile(tmp_path / 'made')}, object))
    with pytest.raises(DataError, match=r'the pickle asks for \w+.mkdir, which could run code'):
        read_word_vectors(tmp_path / 'w.npy')
    assert not (tmp_path / 'made').exists()


# Features -------------------------------------------------------------------------------------------------------

def test_features_are_listed_by_stage_and_name_whatever_the_folder_says(made):
    folder = FeatureFolder(made[0] / 'features' / FEATURES)
    assert folder.kind == 'temporal'
    assert folder.files == [(stage, name) for stage, names in SPLITS.items()
                            for name in sorted([*names, *(NAMES[6:] if stage.endswith('test_unseen') else [])])]


def test_a_class_with_a_slash_in_its_name(tmp_path):
    clips = {('stage_1_train', 'opening/closing, doors'): toy_clips()['stage_1_train', 'Archery']}
    write_averaged(tmp_path, {key: [(n, a.mean(0), v.mean(0)) for n, a, v in value] for key, value in clips.items()})
    folder = FeatureFolder(tmp_path / 'features/cls_features')
    assert folder.files == [('stage_1_train', 'opening/closing, doors')]
    pack_features(folder.path, tmp_path / 'a.h5')
    packed = PackedClips(tmp_path / 'a.h5')
    assert packed.classes == ['opening/closing, doors'] and packed.names([2]) == ['v_Archery_stage_1_train_2']


def test_what_is_packed_is_what_was_published(made):
    root, clips = made
    packed = PackedClips(root / f'features/{FEATURES}.h5')
    assert packed.kind == 'temporal' and packed.stages == list(SPLITS) and packed.classes == sorted(NAMES)
    published = [(stage, name, *clip) for (stage, name) in FeatureFolder(root / 'features' / FEATURES).files
                 for clip in clips[stage, name]]
    assert len(packed.store) == len(published)
    assert packed.names(range(len(published))) == [clip for _, _, clip, _, _ in published]
    for i, (stage, name, _, audio, video) in enumerate(published):
        assert (packed.stages[packed.stage[i]], packed.classes[packed.label[i]]) == (stage, name)
        assert np.array_equal(packed.store['audio'][i], audio) and packed.store['audio'].dtype == np.uint8
        assert np.array_equal(packed.store['visual'][i], video)


def test_half_precision_and_means(made, tmp_path):
    root, clips = made
    source = root / 'features' / FEATURES
    pack_features(source, tmp_path / 'half.h5', dtype='float16')
    half = PackedClips(tmp_path / 'half.h5').store
    assert half['visual'].dtype == np.float16 and half['audio'].dtype == np.uint8
    pack_features(source, tmp_path / 'mean.h5', average=True)
    mean = PackedClips(tmp_path / 'mean.h5')
    _, audio, video = clips['stage_1_train', 'Archery'][1]
    assert mean.kind == 'averaged'
    np.testing.assert_allclose(mean.store['audio'][1], audio.mean(0), rtol=1e-6)
    np.testing.assert_allclose(mean.store['visual'][1], video.mean(0), rtol=1e-6)


def test_averaged_files_as_published(tmp_path):
    clips = {('stage_1_train', 'Archery'): [('a', np.arange(3.), np.ones(2)), ('b', np.zeros(3), np.zeros(2))]}
    folder = write_averaged(tmp_path, clips)
    read = read_averaged(folder / 'audio/stage_1_train/Archery.h5')
    assert read.names == ['a', 'b'] and read.features[0].tolist() == [0, 1, 2]
    pack_features(folder, tmp_path / 'a.h5')
    assert PackedClips(tmp_path / 'a.h5').kind == 'averaged'
    with pytest.raises(ConfigError, match='averaged already'):
        pack_features(folder, tmp_path / 'b.h5', average=True)


def test_packing_goes_on_where_it_was_and_reads_the_rest_alone(made, tmp_path, monkeypatch):
    source, read = made[0] / 'features' / FEATURES, []
    original = FeatureFolder.read

    def stop(items):
        yield from items[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_features(source, tmp_path / 'a.h5', progress=stop)
    assert not (tmp_path / 'a.h5').exists()
    monkeypatch.setattr(FeatureFolder, 'read', lambda self, m, s, n: read.append((m, s, n)) or original(self, m, s, n))
    key = pack_features(source, tmp_path / 'a.h5')
    assert key == PackedClips(made[0] / f'features/{FEATURES}.h5').store.content_key
    videos = [(s, n) for m, s, n in read if m == 'visual']
    # The very first class is read to learn the shapes.
    assert videos[1:] == FeatureFolder(source).files[4:]


def test_a_clip_that_comes_twice_keeps_its_place():
    assert clip_keys('s', 'c', ['a', 'b', 'a']) == ['s/c/a', 's/c/b', 's/c/a#2']


def test_what_is_wrong_with_features(tmp_path):
    with pytest.raises(DataError, match='no features'):
        FeatureFolder(tmp_path)
    write_toy(tmp_path)
    source = tmp_path / 'features' / FEATURES
    path = source / 'audio/stage_1_train/Archery.pkl'
    content = pickle.loads(path.read_bytes())
    content['video_names'].reverse()
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match='its clips or their order differ'):
        pack_features(source, tmp_path / 'a.h5')
    content['features'].pop()
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match='2 clips with 3 names'):
        read_temporal(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match='a dictionary with features and video_names is expected'):
        read_temporal(path)
    path.write_bytes(pickle.dumps(dict(features=[np.zeros(3)], video_names=[b'a'])))
    with pytest.raises(DataError, match=r"numbers \(T, D\) are expected, 'a' has float64 \(3,\)"):
        read_temporal(path)
    path.write_bytes(pickle.dumps(Hostile(tmp_path / 'made')))
    with pytest.raises(DataError, match='which could run code'):
        read_temporal(path)
    path.unlink()
    with pytest.raises(DataError, match='stage_1_train/Archery has features of one modality alone'):
        FeatureFolder(source)


def test_another_store_is_no_packed_file(tmp_path):
    from avmm.datasets import ArraySpec, FeatureStoreWriter
    with FeatureStoreWriter(tmp_path / 'x.h5', {'audio': ArraySpec((3, ))}) as writer:
        writer.add('a', audio=np.zeros(3, 'float32'))
    with pytest.raises(DataError, match='none of projects/tcaf/tools/pack_features.py'):
        PackedClips(tmp_path / 'x.h5')


# What the published programs leave ------------------------------------------------------------------------------

def cache(split, clips, stages, averaged):
    """The dictionary of a split, with torch's tensors where the programs have them."""
    rows = [(NAMES.index(name), *clip) for stage in stages for name in SPLITS[stage] for clip in clips[stage, name]]
    content = {}
    for key, place in (('audio', 2), ('video', 3)):
        data = [row[place] for row in rows]
        if averaged:
            data = torch.stack([torch.from_numpy(d.mean(0, dtype='float32')) for d in data])
        content[key] = dict(data=data, target=torch.tensor([row[0] for row in rows]), fps=[25] * len(rows),
                            url=np.array([str(row[1].encode()) for row in rows]))
    return dict(content, text=dict(data=[np.zeros(300)] * 7, target=np.arange(7)))


@pytest.mark.parametrize('averaged', [False, True])
def test_files_of_a_first_run(made, tmp_path, averaged):
    root, clips = made
    for name, split in (('training', 'train'), ('val', 'val'), ('test', 'test')):
        content = cache(split, clips, class_splits.SPLITS[split], averaged)
        (tmp_path / f'{name}cls_split.pkl').write_bytes(pickle.dumps(content))
    assert CacheFolder.is_one(tmp_path) and not CacheFolder.is_one(root)
    pack_features(CacheFolder(tmp_path, read_class_split(root)), tmp_path / 'a.h5')
    found = PackedClips(tmp_path / 'a.h5')
    pack_features(root / 'features' / FEATURES, tmp_path / 'b.h5', average=averaged)
    expected = PackedClips(tmp_path / 'b.h5')
    # The published files also have the class that is left out of the division.
    assert found.kind == expected.kind and len(found.store) == len(expected.store) - 2
    assert found.store.keys == expected.store.keys[:-2]
    for i in range(len(found.store)):
        for name in ('audio', 'visual'):
            np.testing.assert_allclose(found.store[name][i], expected.store[name][i], rtol=1e-6)


def test_hostile_files_of_a_first_run(made, tmp_path):
    path = tmp_path / 'trainingcls_split.pkl'
    path.write_bytes(pickle.dumps(dict(audio=Hostile(tmp_path / 'made'))))
    with pytest.raises(DataError, match='which could run code'):
        _ = CacheFolder(tmp_path, read_class_split(made[0])).files
    assert not (tmp_path / 'made').exists()
    path.write_bytes(pickle.dumps(dict(audio=dict(data=[]))))
    with pytest.raises(DataError, match='audio with data, target and url is expected'):
        _ = CacheFolder(tmp_path, read_class_split(made[0])).files


def test_tensors_in_pickles_keep_to_their_numbers(tmp_path):
    path = tmp_path / 't.pkl'
    path.write_bytes(pickle.dumps([torch.arange(6).view(2, 3)[:, 1:], 'text', torch.ones(2, dtype=torch.float16)]))
    read = load_tensor_pickle(path)
    assert read[0].tolist() == [[1, 2], [4, 5]] and read[1] == 'text' and read[2].dtype == torch.float16
    wide = torch.arange(3)

    class Wide:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (wide._typed_storage(), 0, (9, ), (1, ), False, OrderedDict())

    path.write_bytes(pickle.dumps(Wide()))
    with pytest.raises(DataError, match='the file is torn or holds more than plain data'):
        load_tensor_pickle(path)


def test_the_command(made, tmp_path):
    from projects.tcaf.tools import pack_features as tool
    source = made[0] / 'features' / FEATURES
    tool.main([str(source), '--out', str(tmp_path / 'x/a.h5'), '--dtype', 'float16', '--verify'])
    assert PackedClips(tmp_path / 'x/a.h5').store['visual'].dtype == np.float16
    with pytest.raises(DataError, match='exists'):
        tool.main([str(source), '--out', str(tmp_path / 'x/a.h5')])
    (tmp_path / 'trainingcls_split.pkl').touch()
    with pytest.raises(ConfigError, match='--data-root'):
        tool.main([str(tmp_path)])
