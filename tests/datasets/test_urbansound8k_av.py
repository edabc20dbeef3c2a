from __future__ import annotations

import pytest

from avmm.datasets import SampleIndex, UrbanSound8KAV
from avmm.datasets.urbansound8k_av import training_sizes
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


def test_the_rounding_of_the_published_code():
    # The second class begins at 5, and round(5 + 3.5) is 8.
    assert training_sizes([5, 5]) == [4, 3]
    # Clips of the classes of UrbanSound8K (Salamon et al., 2014).
    sizes = [1000, 429, 1000, 1000, 1000, 1000, 374, 1000, 929, 1000]
    assert sum(training_sizes(sizes)) == sum(round(0.7 * n) for n in sizes) == 6112


def test_three_frozen_copies_of_a_training_clip(folders, write_clip):
    for part in ('air_conditioner-00', 'air_conditioner-02'):
        write_clip(image=folders / 'Dataset_v3_vision' / 'air_conditioner' / f'{part}.jpg', size=(96, 64))
    options = dict(data_root=str(folders), frozen_copies=3,
                   pipeline=[dict(type='LoadFrames'), dict(type='RandomResizedCrop', size=16),
                             dict(type='PackAVInputs', keys=('visual', ))])
    data = UrbanSound8KAV(**options)
    drawn = {data[SampleIndex(0, epoch=e)]['inputs']['visual'].numpy().tobytes() for e in range(30)}
    assert len(drawn) == 3
    again = UrbanSound8KAV(**options)[SampleIndex(0, epoch=77)]['inputs']['visual'].numpy().tobytes()
    assert again in drawn


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
