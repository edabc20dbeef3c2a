"""Sources: folders, lists and tables, and what is wrong with them."""
from __future__ import annotations

import os

import pytest

from avmm.extraction import Clip, Item, clips_of, read_items
from avmm.extraction.items import suffixes_for
from avmm.utils import DataError


def test_a_folder_is_read_with_its_folders_in_the_order_of_names(toys):
    folder = toys(2, b=b'x')
    (folder / 'a').mkdir()
    for name in ('a/z.MP4', 'a/y.wav', 'a/.hidden.mp4', 'notes.txt'):
        (folder / name).write_bytes(b'x')
    (folder / '.cache').mkdir()
    (folder / '.cache' / 'c.mp4').write_bytes(b'x')
    assert [item.key for item in read_items(folder)] == ['a/z', 'b', 'c00', 'c01']
    both = read_items(folder, suffixes=suffixes_for(['audio']))
    assert [item.key for item in both] == ['a/y', 'a/z', 'b', 'c00', 'c01']
    assert both[0] == Item('a/y', str(folder / 'a' / 'y.wav'))
    assert suffixes_for(['audio', 'visual']) == suffixes_for(['visual'])


def test_two_files_of_one_name(toys):
    folder = toys(1)
    (folder / 'c00.avi').write_bytes(b'x')
    with pytest.raises(DataError, match=r"c00\.avi and .*c00\.mp4 have the same name 'c00'; choose files by"):
        read_items(folder)
    assert [item.key for item in read_items(folder, suffixes=['.avi'])] == ['c00']


def test_a_list(tmp_path):
    source = tmp_path / 'clips.txt'
    source.write_text('a/b.mp4\n\n c d.mp4 \n')
    assert read_items(source) == [Item('a/b', str(tmp_path / 'a/b.mp4')), Item('c d', str(tmp_path / 'c d.mp4'))]
    assert read_items(source, root=tmp_path / 'media')[0].path == str(tmp_path / 'media' / 'a/b.mp4')


def test_a_table(tmp_path):
    source = tmp_path / 'clips.csv'
    source.write_text('key,path,start,end\nfirst,a.mp4,0,10\n,a.mp4,10,12.5\n,b.mp4,,\n,b.mp4,3,\nlast,b.mp4,,\n')
    assert read_items(source, root=tmp_path) == [
        Item('first', str(tmp_path / 'a.mp4'), 0.0, 10.0), Item('a_10_12.5', str(tmp_path / 'a.mp4'), 10.0, 2.5),
        Item('b', str(tmp_path / 'b.mp4')), Item('b_3', str(tmp_path / 'b.mp4'), 3.0),
        Item('last', str(tmp_path / 'b.mp4'))]


def test_items_of_the_same_clip_share_it():
    items = [Item('a', 'x.mp4'), Item('b', 'y.mp4'), Item('c', 'x.mp4'), Item('d', 'x.mp4', 1.0)]
    assert clips_of(items) == [Clip('x.mp4', 0.0, None, ('a', 'c')), Clip('y.mp4', 0.0, None, ('b', )),
                               Clip('x.mp4', 1.0, None, ('d', ))]


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('x.csv', 'a.mp4,0\n', r"x\.csv: the first line names the columns, path and any of key, start, end; it is 'a"),
    ('x.csv', 'path,label\n', r"it is 'path,label'"),
    ('x.csv', 'path,start\na.mp4,0,1\n', r'x\.csv:2: 2 fields are expected'),
    ('x.csv', 'path,start\n,0\n', r'x\.csv:2: 2 fields are expected, the path not empty'),
    ('x.csv', 'path,start\na.mp4,soon\n', r"x\.csv:2: start is a number of seconds, got 'soon'"),
    ('x.csv', 'path,end\na.mp4,nan\n', r"x\.csv:2: end is a number of seconds, got 'nan'"),
    ('x.csv', 'path,start,end\na.mp4,3,3\n', r'x\.csv:2: the end 3 s is not after the start 3 s'),
    ('x.csv', 'path,key\na.mp4,k\nb.mp4,k\n', r"a\.mp4 and .*b\.mp4 have the same name 'k'"),
    ('x.csv', 'path\n', r'x\.csv: names no files'),
    ('x.txt', '\n', r'x\.txt: names no files'),
    ('x.txt', 'a.mp4\n../../b.mp4\n', r'x\.txt:2: \.\./\.\./b\.mp4 lies outside .*; set --root, or --allowed-roots'),
    ('x.txt', '/etc/passwd\n', r'x\.txt:1: /etc/passwd lies outside'),
    ('x.txt', 'link/c.mp4\n', r'x\.txt:1: link/c\.mp4 lies outside'),
    ('x.txt', 'link.mp4\n', r'x\.txt:1: link\.mp4 lies outside'),
    ('x.json', '[]', r'x\.json: a source is a folder, a \.txt or a \.csv file'),
])
def test_sources_that_are_refused(tmp_path, name, content, message):
    os.symlink('/usr', tmp_path / 'link')
    os.symlink('/etc/passwd', tmp_path / 'link.mp4')
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_items(tmp_path / name)


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r'none: no such folder or list'):
        read_items(tmp_path / 'none')
    with pytest.raises(DataError, match=r'has no files that end in \.mp4, '):
        read_items(tmp_path)
    (tmp_path / 'x.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DataError, match=r'x\.txt: cannot be read as a list'):
        read_items(tmp_path / 'x.txt')


def test_a_trusted_list_may_lead_elsewhere(tmp_path):
    (tmp_path / 'lists').mkdir()
    source = tmp_path / 'lists' / 'x.txt'
    source.write_text('../media/a.mp4\n')
    assert len(read_items(source, allowed_roots=[tmp_path / 'media'])) == 1
