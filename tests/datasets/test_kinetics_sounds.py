from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from avmm.datasets import KineticsSounds, SampleIndex
from avmm.registry import DATASETS
from avmm.utils import DataError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'

# Clips of each class in the published lists.
COUNTS = {
    'train': [267, 689, 607, 512, 496, 444, 633, 478, 456, 598, 563, 484, 602, 592, 366, 339, 333, 489, 653, 536, 654,
              386, 281, 493, 395, 669, 196, 523, 433, 351, 254],
    'test': [81, 92, 87, 87, 87, 68, 88, 90, 86, 79, 91, 88, 73, 85, 86, 91, 82, 84, 90, 90, 83, 91, 80, 92, 79, 66,
             85, 83, 91, 76, 63],
}
LINES = {
    'train': [f'-{i:02d}-0ihtnBU_000058_000068,10,{i}' for i in range(31)],
    'test': [f'-{i:02d}kq-7TV4a_{i}3,10,{i}' for i in range(31)],
}


@pytest.mark.parametrize('split', ['train', 'test'])
def test_the_lists(official_list, split):
    root, name, published = official_list(f'kinetics_sounds/my_{split}.txt', LINES[split])
    data = KineticsSounds(data_root=str(root), split=split)
    assert data.ann_file.endswith(name)
    assert np.bincount(data.labels).tolist() == (COUNTS[split] if published else [1] * 31)
    first = (root / name).read_text().split(',', 1)[0]
    ids = [data.get_data_info(i)['sample_id'] for i in range(min(len(data), 2594))]
    if split == 'test':
        assert {len(i) for i in ids} == {11} and len(set(ids)) == len(ids) and ids[0] == first[:11]
    else:
        assert ids[0] == first


def test_classes_and_paths(official_list):
    root, _, _ = official_list('kinetics_sounds/my_test.txt', LINES['test'])
    data = KineticsSounds(data_root=str(root), split='test')
    assert len(data.classes) == 31 and list(data.classes) == sorted(data.classes)
    info = data.get_data_info(5)
    place = f'{data.classes[info["gt_label"]]}/{info["sample_id"]}'
    assert info['audio_path'] == f'{root}/test/audio/{place}.wav' and info['frame_dir'] == f'{root}/test/video/{place}'
    numbered = KineticsSounds(data_root=str(root), split='test', layout=dict(frame_dir='{part}/video/{index}/{id}'))
    assert numbered.get_data_info(5)['frame_dir'] == f'{root}/test/video/{info["gt_label"]}/{info["sample_id"]}'


def test_test_clips_may_keep_their_whole_names(official_list):
    root, name, _ = official_list('kinetics_sounds/my_test.txt', LINES['test'])
    listed = [line.split(',')[0] for line in (root / name).read_text().split()]
    for cut in (True, False):
        data = KineticsSounds(data_root=str(root), split='test', cut_test_ids=cut)
        assert [data.get_data_info(i)['sample_id'] for i in range(9)] == [n[:11] if cut else n for n in listed[:9]]


@pytest.mark.parametrize(('name', 'differ'), [('kinetics_sounds', False), ('kinetics_sounds_random_test', True)])
def test_frames_of_test_clips(tmp_path, write_clip, name, differ):
    clip = 'test/{}/bowling/-3Mwkq-7TV4'
    write_clip(wav=tmp_path / (clip.format('audio') + '.wav'), folder=tmp_path / clip.format('video'), frames=10)
    (tmp_path / 'my_test.txt').write_text('-3Mwkq-7TV4_2,10,2\n')
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    pipeline = cfg.test_dataloader.dataset.pipeline
    data = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(tmp_path), pipeline=pipeline[1:2]))
    drawn = {tuple(data[SampleIndex(0, epoch=epoch)]['frame_indices']) for epoch in range(8)}
    assert (len(drawn) > 1) is differ and all(len(set(d)) == 3 for d in drawn)
    assert differ or drawn == {(1, 5, 8)}
    # Training and validation are the same in both.
    plain = Config.fromfile(CONFIGS / 'kinetics_sounds.py')
    assert (cfg.train_dataloader, cfg.val_dataloader) == (plain.train_dataloader, plain.val_dataloader)


def test_a_validation_split_of_the_list(official_list):
    root, _, published = official_list('kinetics_sounds/my_train.txt', LINES['train'] * 10)
    train, val = (KineticsSounds(data_root=str(root), split=s, val_fraction=0.1) for s in ('train', 'val'))
    assert len(train) + len(val) == (14772 if published else 310)
    assert np.bincount(val.labels).tolist() == [round(0.1 * n) for n in (COUNTS['train'] if published else [10] * 31)]


@pytest.mark.parametrize(('line', 'message'), [
    ('--4-0ihtnBU_000058_000068,10', r'my_train\.txt:1: 3 fields are expected \(clip, duration, label\), got 2'),
    ('--4-0ihtnBU_000058_000068,10,31', r"my_train\.txt:1: unknown class '31'"),
    ('short,10,3', r"my_train\.txt:1: 'short' is shorter than the 11 characters"),
])
def test_wrong_lines(tmp_path, line, message):
    (tmp_path / 'my_train.txt').write_text(line + '\n')
    with pytest.raises(DataError, match=message):
        KineticsSounds(data_root=str(tmp_path))
