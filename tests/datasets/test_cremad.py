from __future__ import annotations

import numpy as np
import pytest

from avmm.datasets import CREMAD
from avmm.utils import ConfigError, DataError

CLASSES = ('ANG', 'DIS', 'FEA', 'HAP', 'NEU', 'SAD')
# Clips of each class in the published lists.
COUNTS = {'train': [1166, 1142, 1138, 1148, 973, 1131], 'test': [105, 129, 133, 123, 114, 140]}
LINES = [f'10{i:02d}_TIE_{label}_XX,{label}' for i in range(10) for label in CLASSES]


@pytest.mark.parametrize('split', ['train', 'test'])
def test_the_lists(official_list, split):
    root, name, published = official_list(f'cremad/{split}.csv', LINES)
    data = CREMAD(data_root=str(root), split=split)
    assert data.ann_file.endswith(name) and data.classes == CLASSES
    assert np.bincount(data.labels).tolist() == (COUNTS[split] if published else [10] * 6)
    info = data.get_data_info(0)
    clip, label = info['sample_id'], info['sample_id'].split('_')[2]
    assert info['gt_label'] == CLASSES.index(label)
    folder = f'{root}/processed_dataset/{split}'
    assert info['audio_path'] == f'{folder}/audio/{label}/{clip}.wav'
    assert info['frame_paths'] == [f'{folder}/visual/{label}/{clip}.jpg']


def test_the_order_of_classes_of_ogm_ge(official_list):
    root, _, _ = official_list('cremad/test.csv', LINES)
    ours, theirs = (CREMAD(data_root=str(root), split='test', class_order=o) for o in ('alphabetical', 'ogm_ge'))
    assert theirs.classes == ('NEU', 'HAP', 'SAD', 'FEA', 'DIS', 'ANG')
    names = [[data.classes[label] for label in data.labels] for data in (ours, theirs)]
    assert names[0] == names[1] and not np.array_equal(ours.labels, theirs.labels)
    assert ours.get_data_info(0)['audio_path'] == theirs.get_data_info(0)['audio_path']


def test_a_root_that_contains_the_word_visual(tmp_path, write_clip):
    root = tmp_path / 'visual'
    clip = 'processed_dataset/train/{}/ANG/1001_IEO_ANG_HI'
    write_clip(wav=root / (clip.format('audio') + '.wav'), image=root / (clip.format('visual') + '.jpg'))
    (root / 'train.csv').write_text('1001_IEO_ANG_HI,ANG\n')
    data = CREMAD(data_root=str(root), pipeline=[dict(type='LoadAudio'), dict(type='LoadFrames'),
                                                 dict(type='PackAVInputs')])
    assert set(data[0]['inputs']) == {'audio', 'visual'}


def test_wrong_lists_and_options(tmp_path):
    (tmp_path / 'train.csv').write_text('1001_IEO_ANG_HI,ANK\n')
    with pytest.raises(DataError, match=r"train\.csv:1: unknown class 'ANK'; did you mean 'ANG'\?"):
        CREMAD(data_root=str(tmp_path))
    with pytest.raises(ConfigError, match="class_order must be one of alphabetical, ogm_ge, got 'random'"):
        CREMAD(data_root=str(tmp_path), class_order='random')
