from __future__ import annotations

import pytest

from avmm.datasets import UrbanSound8KAV
from avmm.utils import ConfigError, DataError

CLASSES = UrbanSound8KAV.METAINFO['classes']


@pytest.fixture
def folders(tmp_path):
    """3, 4, ... 12 clips of the ten classes."""
    for index, label in enumerate(CLASSES):
        folder = tmp_path / 'Dataset_v3_vision' / label
        folder.mkdir(parents=True)
        for i in range(index + 3):
            (folder / f'{label}-{i:02d}.jpg').write_bytes(b'')
    return tmp_path


def ids(data):
    return [data.get_data_info(i)['sample_id'] for i in range(len(data))]


def test_the_first_part_of_the_sorted_names_is_for_training(folders):
    train, test = (UrbanSound8KAV(data_root=str(folders), split=s) for s in ('train', 'test'))
    # A class of n clips at place p ends its training part at round(p + 0.7 n).
    sizes, place = [], 0
    for n in range(3, 13):
        sizes.append(round(place + 0.7 * n) - place)
        place += n
    assert [int((train.labels == c).sum()) for c in range(10)] == sizes
    assert not set(ids(train)) & set(ids(test)) and len(train) + len(test) == sum(range(3, 13))
    assert ids(train)[:2] == ['air_conditioner-00', 'air_conditioner-01']
    assert ids(test)[0] == 'air_conditioner-02'


def test_paths(folders):
    info = UrbanSound8KAV(data_root=str(folders)).get_data_info(0)
    assert info['audio_path'] == f'{folders}/Dataset_v3_sound/air_conditioner/air_conditioner-00.wav'
    assert info['frame_paths'] == [f'{folders}/Dataset_v3_vision/air_conditioner/air_conditioner-00.jpg']


def test_an_explicit_split_file(folders):
    (folders / 'split.csv').write_text('a-0,siren,train\nb-1,gun_shot,test\nc-2,siren,train\n')
    train, test = (UrbanSound8KAV('split.csv', data_root=str(folders), split=s) for s in ('train', 'test'))
    assert ids(train) == ['a-0', 'c-2'] and ids(test) == ['b-1']
    assert train.labels.tolist() == [8, 8]


def test_wrong_input(folders):
    with pytest.raises(ConfigError, match='train_fraction must lie between 0 and 1, got 1'):
        UrbanSound8KAV(data_root=str(folders), train_fraction=1)
    (folders / 'split.csv').write_text('a-0,siren,dev\n')
    with pytest.raises(DataError, match=r"split\.csv:1: the part is train or test, got 'dev'"):
        UrbanSound8KAV('split.csv', data_root=str(folders))
    for picture in (folders / 'Dataset_v3_vision' / 'siren').iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="siren: the folder of class 'siren' holds no clips"):
        UrbanSound8KAV(data_root=str(folders))
    (folders / 'Dataset_v3_vision' / 'siren').rmdir()
    with pytest.raises(DataError, match="the folder of class 'siren' cannot be read"):
        UrbanSound8KAV(data_root=str(folders))
