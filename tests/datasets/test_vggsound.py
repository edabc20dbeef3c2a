from __future__ import annotations

import pytest

from avmm.datasets import VGGSound
from avmm.datasets.vggsound import read_classes
from avmm.utils import DataError

LABELS = 'index,mid,display_name\n1,vgg_1,"siren, close"\n0,vgg_0,people marching\n'
LIST = '---g-f_I2yQ,1,people marching,train\n--0PQM4-hqg,30,"siren, close",test\n--0PQM4-hqh,7,"siren, close",train\n'


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'classes.csv').write_text(LABELS)
    (tmp_path / 'vggsound.csv').write_text(LIST)
    return tmp_path


def test_the_official_list(root):
    train = VGGSound(data_root=str(root), label_csv='classes.csv')
    test = VGGSound(data_root=str(root), label_csv='classes.csv', split='test')
    assert train.classes == ('people marching', 'siren, close')
    assert train.labels.tolist() == [0, 1] and test.labels.tolist() == [1]
    assert train.get_data_info(0)['video_path'] == f'{root}/video/---g-f_I2yQ_000001.mp4'


def test_classes_may_be_a_plain_list(tmp_path):
    (tmp_path / 'c.csv').write_text('\ufeffdog\n"siren, close"\n')
    assert read_classes(tmp_path / 'c.csv') == ('dog', 'siren, close')


@pytest.mark.parametrize(('text', 'message'), [
    ('index,mid,display_name\n0,a,x\n2,b,y\n', r'c\.csv: the index 1 is missing; indices are 0 to 1'),
    ('index,mid,display_name\n0,a\n', r'c\.csv:2: 3 fields are expected'),
    ('mid,display_name\na,x\n', r'c\.csv:1: the header has display_name but no index'),
    ('dog\ncat\ndog\n', r"c\.csv: the class 'dog' comes twice"),
    ('', r'c\.csv: the list file is empty'),
])
def test_wrong_classes(tmp_path, text, message):
    (tmp_path / 'c.csv').write_text(text)
    with pytest.raises(DataError, match=message):
        read_classes(tmp_path / 'c.csv')


@pytest.mark.parametrize(('line', 'message'), [
    ('id,one,people marching,train', r"vggsound\.csv:1: the start is a whole number of seconds, got 'one'"),
    ('id,1,people marching,dev', r"vggsound\.csv:1: the part is train or test, got 'dev'"),
    ('id,1,people,train', r"vggsound\.csv:1: unknown class 'people'; did you mean 'people marching'"),
    ('id,1,siren, close,train', r'vggsound\.csv:1: 4 fields are expected'),
])
def test_wrong_lines(root, line, message):
    (root / 'vggsound.csv').write_text(line + '\n')
    with pytest.raises(DataError, match=message):
        VGGSound(data_root=str(root), label_csv='classes.csv')


def test_a_missing_label_csv(root):
    with pytest.raises(DataError, match=r'none\.csv: the list file is missing'):
        VGGSound(data_root=str(root), label_csv='none.csv')
