"""Rows of HDF5 arrays, whole or in chunks."""
from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import torch

from avmm.datasets import row_reader
from avmm.datasets.row_reader import ChunkedRows, Rows, open_rows
from avmm.utils import DataError

VALUES = np.random.default_rng(0).standard_normal((50, 3, 4))
ORDERS = [[], [7], range(50), [49, 0, 25], [3, 4, 5, 20, 19, 18, 3, 3, 4], np.random.default_rng(1).permutation(50)]


@pytest.fixture(params=['contiguous', 'chunked', 'compressed', 'big-endian'])
def rows(request, tmp_path):
    path = tmp_path / f'{request.param}.h5'
    options = {'chunked': dict(chunks=(7, 3, 4)), 'compressed': dict(compression='gzip')}.get(request.param, {})
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', data=VALUES, dtype='>f8' if request.param == 'big-endian' else '<f8', **options)
    return open_rows(path, 'x')


@pytest.mark.parametrize('order', ORDERS, ids=len)
@pytest.mark.parametrize('dtype', [None, 'float32', 'float16'])
def test_rows_come_in_the_order_asked_for(rows, order, dtype):
    found = rows.gather(order, dtype=dtype)
    assert found.dtype == (dtype or 'float64')
    assert np.array_equal(found, VALUES[list(order)].astype(found.dtype))


def test_a_tensor_is_filled_in_place(rows):
    out = torch.full((2, 3, 4), -1.0)
    assert rows.gather([9, 4], out) is out
    assert np.array_equal(out.numpy(), VALUES[[9, 4]].astype(np.float32))
    with pytest.raises(ValueError, match=r'shape \(2, 3, 4\), got \(2, 4, 3\)'):
        rows.gather([9, 4], np.empty((2, 4, 3)))


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
def test_some_rows_of_a_batch_are_filled(rows, dtype):
    out = np.zeros((5, 3, 4), dtype)
    rows.gather([8, 9, 7], out, places=[4, 1, 3])
    assert np.array_equal(out[[4, 1, 3]], VALUES[[8, 9, 7]].astype(dtype)) and not out[[0, 2]].any()


def test_it_crosses_to_other_processes_unopened(rows):
    rows.gather([0])
    assert np.array_equal(pickle.loads(pickle.dumps(rows)).gather([5]), VALUES[[5]])


@pytest.mark.parametrize('index', [-1, 50])
def test_a_row_that_is_not_there(rows, index):
    with pytest.raises(DataError, match=rf"row {index} of 'x' is asked for, which has 50 rows"):
        rows.gather([3, index])


@pytest.mark.parametrize('dtype', ['float16', 'float32', 'float64'])
def test_every_half_is_widened_exactly(tmp_path, dtype):
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['x'] = halves
    found = open_rows(tmp_path / 'x.h5', 'x').gather(range(256), dtype=dtype)
    assert np.array_equal(found, halves.astype(dtype), equal_nan=True)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_two_threads_share_a_large_batch(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(row_reader, '_PARALLEL_BYTES', 1000)
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['x'] = VALUES
    rows, order = open_rows(tmp_path / 'x.h5', 'x'), np.random.default_rng(2).integers(0, 50, 70)
    assert np.array_equal(rows.gather(order, dtype=dtype), VALUES[order].astype(dtype))
    (tmp_path / 'x.h5').write_bytes((tmp_path / 'x.h5').read_bytes()[:4000])
    with pytest.raises(DataError, match='the file ends at byte'):
        rows.gather(order)


def test_rows_may_be_single_numbers(tmp_path):
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['x'] = np.arange(20, dtype=np.float16)
    assert open_rows(tmp_path / 'x.h5', 'x').gather([3, 1, 2], dtype='float32').tolist() == [3, 1, 2]


def test_many_single_rows_need_more_than_one_call(tmp_path):
    values = np.arange(6000, dtype=np.int16).reshape(3000, 2)
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['x'] = values
    # Backwards: neighbours in the file, never in memory.
    assert np.array_equal(open_rows(tmp_path / 'x.h5', 'x').gather(range(2999, -1, -1)), values[::-1])


def test_how_a_file_is_read_depends_on_how_it_is_stored(rows):
    assert isinstance(rows, ChunkedRows) == (rows.path.endswith(('chunked.h5', 'compressed.h5')))


@pytest.mark.parametrize(('make', 'message'), [
    (lambda p: None, 'the file is missing'),
    (lambda p: p.mkdir(), 'a folder, where an HDF5 file is expected'),
    (lambda p: p.touch(), 'the file is empty; make or copy it again'),
    (lambda p: p.write_text('hello' * 100), 'not an HDF5 file'),
    (lambda p: h5py.File(p, 'w').create_dataset('y', data=1).file.close(), "no data set 'x'; the file has y"),
    (lambda p: h5py.File(p, 'w').create_dataset('x', data=['a']).file.close(), "'x' is no array of numbers"),
])
def test_a_file_that_does_not_serve(tmp_path, make, message):
    path = tmp_path / 'x.h5'
    make(path)
    with pytest.raises(DataError) as error:
        open_rows(path, 'x')
    assert str(error.value).startswith(f'{path}: {message}') and '\n' not in str(error.value)


def test_a_file_that_is_cut(tmp_path):
    path = tmp_path / 'x.h5'
    with h5py.File(path, 'w') as file:
        file['x'] = VALUES
    rows = Rows(str(path), 'x', (50, 3, 4), 'float64', 2048)
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    with pytest.raises(DataError, match=r'x\.h5: the file is truncated \(3000 bytes\); make or copy it again'):
        open_rows(path, 'x')
    with pytest.raises(DataError, match=r'x\.h5: the file is truncated \(3000 of 6848 bytes\)'):
        rows.gather([1])
    path.write_bytes(whole)
    rows.gather([1])
    path.write_bytes(whole[:3000])
    with pytest.raises(DataError, match=r"x\.h5: the file ends at byte \d+, within 'x'"):
        rows.gather([40])
