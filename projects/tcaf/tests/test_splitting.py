"""Extracted features come into stages and classes, by tables and by mappings."""
from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from avmm.datasets import ArraySpec, FeatureStoreWriter
from avmm.utils import DataError
from projects.tcaf.tcaf.dataset import GZSLDataset
from projects.tcaf.tcaf.packing import PackedClips
from projects.tcaf.tcaf.splitting import Extracted, checked_mappings, read_clip_lists, read_mapping, split_features
from projects.tcaf.tests.benchmark_for_tests import FEATURES, NAMES, SPLITS, toy_clips, write_toy
from projects.tcaf.tools import split_features as tool


@pytest.fixture
def made(tmp_path):
    """A data set without features, with tables of its clips; the features in one list."""
    write_toy(tmp_path)
    (tmp_path / f'features/{FEATURES}.h5').rename(tmp_path / 'expected.h5')
    clips = toy_clips()
    for division in ('cls_split', 'main_split'):
        folder = tmp_path / 'class-split' / division
        folder.mkdir(exist_ok=True)
        for stage in SPLITS:
            lines = [f'{name},{NAMES.index(cls)},{cls}' for (s, cls), members in clips.items() if s == stage
                     for name, *_ in members]
            (folder / f'{stage}.csv').write_text('\n'.join(['filename,label_code,label', *lines]) + '\n')
    items = [[video, 3, audio, f'{name}.avi'] for members in clips.values() for name, audio, video in members]
    return tmp_path, clips, items


def mapping(clips, modality):
    return {f'/avgzsl_benchmark_datasets/UCF/features/cls_features/{modality}/{stage}/{name}.h5':
            [clip[0].encode() for clip in members] for (stage, name), members in clips.items()}


def same(path, expected):
    found, expected = PackedClips(path), PackedClips(expected)
    assert found.store.keys == expected.store.keys
    for i in range(len(found.store)):
        assert all(np.array_equal(found.store[m][i], expected.store[m][i]) for m in ('audio', 'visual'))


def test_published_pickles_by_tables(made):
    root, _, items = made
    (root / 'a.pkl').write_bytes(pickle.dumps(items[:9]))
    (root / 'b.pkl').write_bytes(pickle.dumps(items[9:]))
    tool.main([str(root), str(root / 'a.pkl'), str(root / 'b.pkl')])
    same(root / f'features/{FEATURES}.h5', root / 'expected.h5')
    assert len(GZSLDataset(root)) == 9


def test_tensors_with_whole_names_by_mappings(made, capsys):
    root, clips, items = made
    merged = [(torch.from_numpy(v), c, torch.from_numpy(a), (name.removesuffix('.avi'), )) for v, c, a, name in items]
    (root / 'a.pkl').write_bytes(pickle.dumps(merged[1:]))
    for modality in ('audio', 'video'):
        (root / f'{modality}.pickle').write_bytes(pickle.dumps(mapping(clips, modality)))
    features = FEATURES.replace('cls', 'main')
    tool.main([str(root), str(root / 'a.pkl'), '--features', features, '--mapping', str(root / 'audio.pickle'),
               str(root / 'video.pickle')])
    packed = PackedClips(root / f'features/{features}.h5')
    assert len(packed.store) == len(items) - 1
    assert f'1 clips of the lists have no features, such as {merged[0][3][0]}' in capsys.readouterr().out


def test_a_feature_store_and_the_published_files(made):
    root, _, items = made
    arrays = dict(audio=ArraySpec((None, 4), 'uint8'), visual=ArraySpec((None, 6)))
    with FeatureStoreWriter(root / 'extracted.h5', arrays) as writer:
        for video, _, audio, name in items[::-1]:
            writer.add(name, audio=audio, visual=video)
    before = {path: pickle.loads(path.read_bytes()) for path in (root / 'features').rglob('*.pkl')}
    for path in before:
        path.unlink()
    tool.main([str(root), str(root / 'extracted.h5'), '--files'])
    same(root / f'features/{FEATURES}.h5', root / 'expected.h5')
    for path, content in before.items():
        again = pickle.loads(path.read_bytes())
        assert again['video_names'] == content['video_names'] and again['fps'] == content['fps']
        assert all(np.array_equal(a, b) for a, b in zip(again['features'], content['features'], strict=True))


def test_mappings(made):
    root, clips, _ = made
    content = mapping(clips, 'audio')
    content['/x/audio/stage_2_train/Archery.h5'] = [b'left out']
    content['/x/audio/stage_1_train/opening/closing, doors.h5'] = [b'a']
    (root / 'm.pickle').write_bytes(pickle.dumps(content))
    lists = read_mapping(root / 'm.pickle')
    assert lists['stage_1_train', 'opening/closing, doors'] == ['a'] and len(lists) == len(clips) + 1
    del lists['stage_1_train', 'opening/closing, doors']
    assert lists == read_clip_lists(root)
    with pytest.raises(DataError, match='differ, first in stage_1_train/Archery'):
        checked_mappings(lists, {**lists, ('stage_1_train', 'Archery'): []})


def test_what_is_wrong(made):
    root, clips, items = made
    (root / 'a.pkl').write_bytes(pickle.dumps([item[:3] for item in items]))
    with pytest.raises(DataError, match=r'a list of \[frames, class, sound, name\] is expected'):
        Extracted([root / 'a.pkl'])
    (root / 'a.pkl').write_bytes(pickle.dumps([[*item[:3], 'other'] for item in items]))
    with pytest.raises(DataError, match='none of the .* clips has features'):
        split_features(Extracted([root / 'a.pkl']), read_clip_lists(root), root / 'x.h5')
    (root / 'class-split/cls_split/stage_1_train.csv').unlink()
    with pytest.raises(DataError, match='the table of clips is missing; take the mapping pickle'):
        read_clip_lists(root)
    (root / 'm.pickle').write_bytes(pickle.dumps({'/a/b.h5': []}))
    with pytest.raises(DataError, match='no file of the stages'):
        read_mapping(root / 'm.pickle')
