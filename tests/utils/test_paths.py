"""Where data live, and which paths a data file may name."""
from __future__ import annotations

import pytest

from avmm.utils import DataError
from avmm.utils.paths import checked_path, resolve_data_root


def test_the_environment_moves_the_data_folder(monkeypatch):
    monkeypatch.setenv('AVMM_DATA', '/mnt/sets')
    assert str(resolve_data_root('data/cremad')) == '/mnt/sets/cremad'
    assert str(resolve_data_root('/abs/data')) == '/abs/data'
    assert str(resolve_data_root('other/cremad')) == 'other/cremad'
    monkeypatch.delenv('AVMM_DATA')
    assert str(resolve_data_root('data/cremad')) == 'data/cremad'


def test_a_path_stays_under_its_root(tmp_path):
    assert checked_path('a/b.wav', tmp_path) == tmp_path / 'a' / 'b.wav'
    with pytest.raises(DataError, match='lies outside .*allowed_roots'):
        checked_path('../secret', tmp_path)
    other = tmp_path.parent / 'other'
    assert checked_path(other / 'x.wav', tmp_path, [other]) == other / 'x.wav'


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / 'root').mkdir()
    (tmp_path / 'root' / 'link').symlink_to(tmp_path)
    with pytest.raises(DataError, match='lies outside'):
        checked_path('link/file', tmp_path / 'root')
