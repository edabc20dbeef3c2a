from __future__ import annotations

import pytest

from avmm.datasets import AVDigits
from avmm.registry import DATASETS
from avmm.utils import DataError


@pytest.fixture
def root(tmp_path):
    for split, count in (('train', 40), ('test', 10)):
        lines = [f'digit_{i:04d},{i % 10}\n' for i in range(count)]
        (tmp_path / f'{split}.csv').write_text(''.join(lines))
    return tmp_path


def test_splits_labels_and_paths(root):
    train = DATASETS.build(dict(type='AVDigits', data_root=str(root), split='train'))
    assert isinstance(train, AVDigits) and len(train) == 40 and train.classes == tuple('0123456789')
    assert train.labels.tolist() == [i % 10 for i in range(40)]
    info = AVDigits(data_root=str(root), split='test').get_data_info(3)
    assert info['sample_id'] == 'digit_0003' and info['gt_label'] == 3
    assert info['audio_path'] == str(root / 'test/audio/3/digit_0003.wav')
    assert info['frame_dir'] == str(root / 'test/video/3/digit_0003')


def test_validation_clips_are_held_out_of_training(root):
    parts = {split: AVDigits(data_root=str(root), split=split, val_fraction=0.25) for split in ('train', 'val')}
    names = {split: {part.get_data_info(i)['sample_id'] for i in range(len(part))} for split, part in parts.items()}
    assert len(names['train']) == 30 and len(names['val']) == 10 and not names['train'] & names['val']
    info = parts['val'].get_data_info(0)
    assert info['audio_path'].startswith(str(root / 'train'))


def test_a_digit_that_is_none_is_named(root):
    with open(root / 'test.csv', 'a') as file:
        file.write('digit_0011,ten\n')
    with pytest.raises(DataError, match="test.csv:11: unknown class 'ten'"):
        AVDigits(data_root=str(root), split='test')
