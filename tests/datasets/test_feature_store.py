"""The feature store: written whole or not at all, read in batches, damage is found."""
from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter, merge
from avmm.utils import ConfigError, DataError

SPECS = {'audio': ArraySpec((10, 8)), 'frames': ArraySpec((None, 3), 'float16'), 'label': ArraySpec((), 'int64'),
         'picture': ArraySpec((2, 2), 'uint8')}
FIXED = {name: spec for name, spec in SPECS.items() if not spec.varies}


def item(i: int, specs=SPECS) -> dict:
    rng = np.random.default_rng(i)
    values = dict(audio=rng.standard_normal((10, 8), dtype=np.float32), label=i,
                  picture=np.full((2, 2), i % 256, np.uint8),
                  frames=rng.integers(0, 9, (i % 4, 3)).astype(np.float16))
    return {name: values[name] for name in specs}


def write(path, numbers=range(9), specs=SPECS, **options):
    with FeatureStoreWriter(path, specs, **options) as writer:
        for i in numbers:
            writer.add(f'clip {i}', **item(i, specs))
    return FeatureStore(path)


def same(store: FeatureStore, numbers) -> bool:
    """Whether the store holds the items ``numbers`` in this order."""
    return store.keys == [f'clip {i}' for i in numbers] and all(
        np.array_equal(store[name][place], item(i)[name]) and store[name][place].dtype == store[name].dtype
        for place, i in enumerate(numbers) for name in store.arrays)


def test_items_come_back(tmp_path):
    store = write(tmp_path / 'x.h5', meta=dict(source='here'))
    assert len(store) == 9 and store.arrays == SPECS and store.meta == {'source': 'here'}
    assert 'audio' in store and 'video' not in store
    assert same(store, range(9)) and not list(tmp_path.glob('*.part'))
    store.verify()
    with h5py.File(tmp_path / 'x.h5') as file:
        assert file['arrays/audio'].chunks is None and file['arrays/label'][4] == 4


def test_a_batch_is_gathered_at_once(tmp_path):
    store = write(tmp_path / 'x.h5')
    order = [5, 0, 8, 5, 6, 7]
    assert np.array_equal(store['audio'].gather(order), np.stack([item(i)['audio'] for i in order]))
    assert store['audio'].gather(order, dtype='float64').dtype == np.float64
    rows, lengths = store['frames'].gather(order)
    assert lengths.tolist() == [i % 4 for i in order] == store['frames'].lengths[order].tolist()
    assert np.array_equal(rows, np.concatenate([item(i)['frames'] for i in order]))
    assert store['frames'].shape == (None, 3) and store['audio'][-1].shape == (10, 8)
    assert store.find(['clip 3', 'clip 0']).tolist() == [3, 0]
    assert np.array_equal(pickle.loads(pickle.dumps(store))['label'].gather([3, 1]), [3, 1])


@pytest.mark.parametrize('specs', [SPECS, FIXED], ids=['varying', 'fixed'])
def test_announced_items_may_come_in_any_order(tmp_path, specs):
    keys = [f'clip {i}' for i in range(9)]
    store = write(tmp_path / 'x.h5', [4, 8, 0, 2, 1, 7, 6, 5, 3], specs, keys=keys)
    assert same(store, range(9))
    assert store.content_key == write(tmp_path / 'y.h5', specs=specs).content_key


def test_the_content_key_follows_from_the_content_alone(tmp_path):
    first = write(tmp_path / 'a.h5').content_key
    time.sleep(0.01)
    assert write(tmp_path / 'b.h5', meta=dict(made='later')).content_key == first
    assert len({first, write(tmp_path / 'c.h5', range(8)).content_key,
                write(tmp_path / 'd.h5', range(1, 10)).content_key}) == 3


# Damage ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('name', list(SPECS))
def test_a_flipped_byte_is_found(tmp_path, name):
    path = tmp_path / 'x.h5'
    write(path)
    with h5py.File(path) as file:
        place = file[f'arrays/{name}'].id.get_offset() + 5
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.h5: '{name}' is damaged between the bytes {place - 5} and \d+; make "):
        FeatureStore(path).verify()


@pytest.mark.parametrize('name', ['keys', 'offsets/frames', 'content_key'])
def test_a_flipped_byte_beside_the_arrays_is_found(tmp_path, name):
    path = tmp_path / 'x.h5'
    write(path)
    with h5py.File(path) as file:
        place = file[name].id.get_offset() + (8 if name != 'content_key' else 0)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match='damaged|does not fit'):
        FeatureStore(path).verify()


def test_a_large_array_is_checked_block_by_block(tmp_path):
    with FeatureStoreWriter(tmp_path / 'x.h5', {'x': ArraySpec((1 << 20, ), 'uint8')}) as writer:
        for i in range(9):
            writer.add(str(i), x=np.full(1 << 20, i, np.uint8))
    store, seen = FeatureStore(tmp_path / 'x.h5'), []
    store.verify(lambda blocks, total: seen.append(total) or blocks)
    assert seen == [3]
    with h5py.File(tmp_path / 'x.h5', 'r+') as file:
        file['arrays/x'][8, 1000] = 0
    with pytest.raises(DataError, match="'x' is damaged between"):
        store.verify()


def test_a_truncated_store(tmp_path):
    path = tmp_path / 'x.h5'
    write(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r'x\.h5: the file is truncated'):
        FeatureStore(path)


def test_another_hdf5_file(tmp_path):
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['keys'] = [1]
    with pytest.raises(DataError, match=r'x\.h5: an HDF5 file, but no feature store of AVMM'):
        FeatureStore(tmp_path / 'x.h5')
    with h5py.File(tmp_path / 'x.h5', 'r+') as file:
        file.attrs.update(format='avmm.feature_store', version=2)
    with pytest.raises(DataError, match='written by a newer AVMM'):
        FeatureStore(tmp_path / 'x.h5')


def test_what_is_not_in_a_store(tmp_path):
    store = write(tmp_path / 'x.h5')
    with pytest.raises(DataError, match="no array 'video'; the store has audio, frames, label, picture"):
        store['video']
    with pytest.raises(DataError, match="no item 'clip 77'"):
        store.find(['clip 1', 'clip 77'])
    with pytest.raises(DataError, match="row 9 of 'arrays/audio'"):
        store['audio'].gather([9])
    with pytest.raises(DataError, match="'frames' has 9 items, numbers 2 to 9 are asked for"):
        store['frames'].gather([2, 9])
    with pytest.raises(ConfigError, match="'audio' has items of one shape"):
        store['audio'].lengths  # noqa: B018


# The writer --------------------------------------------------------------------------------------------------------

def test_wrong_items_are_refused(tmp_path):
    with pytest.raises(DataError) as error, FeatureStoreWriter(tmp_path / 'x.h5', SPECS, ['clip 1']) as writer:
        for values, message in [
            (dict(item(1), audio=np.zeros((9, 8))), r"'audio' of 'clip 1' has shape \(9, 8\), the store \(10, 8\)"),
            (dict(item(1), frames=np.zeros(3)), r"'frames' of 'clip 1' has shape \(3,\), the store \(None, 3\)"),
            (dict(item(1), label=1.5), "'label' of 'clip 1' is float64, the store int64"),
            (dict(audio=1), 'items have audio, frames, label, picture; got audio'),
        ]:
            with pytest.raises(DataError, match=message):
                writer.add('clip 1', **values)
        with pytest.raises(DataError, match="'clip 2' is not among the names"):
            writer.add('clip 2', **item(2))
        writer.add('clip 1', **item(1))
        writer.add('clip 1', **item(1))
    assert str(error.value) == f"{tmp_path}/x.h5: the item 'clip 1' is there already"


@pytest.mark.parametrize(('arrays', 'keys', 'message'), [
    ({}, None, 'a store needs arrays'), ({'a/b': ArraySpec(())}, None, 'names without slashes'),
    (FIXED, ['a', 'a'], 'not unique'), (FIXED, [''], 'must be a text that is not empty'),
])
def test_wrong_arguments_are_refused(tmp_path, arrays, keys, message):
    with pytest.raises(ConfigError, match=message):
        FeatureStoreWriter(tmp_path / 'x.h5', arrays, keys)


@pytest.mark.parametrize(('shape', 'dtype', 'message'), [
    ((3, ), 'str', "'str' is no type of numbers"), ((3, ), 'floaty', "'floaty' is no type"),
    ((0, ), 'int8', 'positive'), ((3, None), 'int8', 'only the first may be None')])
def test_wrong_specs_are_refused(shape, dtype, message):
    with pytest.raises(ConfigError, match=message):
        ArraySpec(shape, dtype)


def test_an_existing_store_is_kept_unless_told_otherwise(tmp_path):
    write(tmp_path / 'x.h5')
    with pytest.raises(DataError, match=r'x\.h5 exists; remove it or choose another name'):
        FeatureStoreWriter(tmp_path / 'x.h5', SPECS)
    assert same(write(tmp_path / 'x.h5', range(3), overwrite=True), range(3))


def test_missing_items(tmp_path):
    with pytest.raises(DataError, match=r"x\.h5: 2 of 4 items are missing, such as 'clip 1'; what is there stays in"):
        write(tmp_path / 'x.h5', [0, 2], keys=[f'clip {i}' for i in range(4)])
    assert not (tmp_path / 'x.h5').exists()
    with pytest.raises(DataError, match=r'y\.h5: there are no items'):
        write(tmp_path / 'y.h5', [])


@pytest.mark.parametrize('specs', [SPECS, FIXED], ids=['varying', 'fixed'])
@pytest.mark.parametrize('present', [[3, 0, 2], range(4)], ids=['some', 'all'])
def test_announced_items_that_never_came_can_be_left_out(tmp_path, specs, present):
    writer = FeatureStoreWriter(tmp_path / 'x.h5', specs, [f'clip {i}' for i in range(4)])
    for i in present:
        writer.add(f'clip {i}', **item(i, specs))
    key = writer.close(missing='leave_out')
    store = FeatureStore(tmp_path / 'x.h5')
    store.verify()
    assert same(store, sorted(present)) and store.content_key == key
    assert key == write(tmp_path / 'y.h5', sorted(present), specs).content_key


@pytest.mark.parametrize('specs', [SPECS, FIXED], ids=['varying', 'fixed'])
def test_announced_items_that_never_came_can_be_zeros(tmp_path, specs):
    with pytest.raises(ConfigError, match='it must be refuse, leave_out or zeros'):
        FeatureStoreWriter(tmp_path / 'z.h5', specs).close(missing='nan')
    writer = FeatureStoreWriter(tmp_path / 'x.h5', specs, [f'clip {i}' for i in range(4)])
    for i in (3, 1):
        writer.add(f'clip {i}', **item(i, specs))
    # What an item leaves that was being written when the process was killed.
    writer._put('clip 2', {name: writer._fitted(name, '', value) for name, value in item(2, specs).items()})
    writer.release()
    writer = FeatureStoreWriter(tmp_path / 'x.h5', specs, [f'clip {i}' for i in range(4)])
    writer.close(missing='zeros')
    store = FeatureStore(tmp_path / 'x.h5')
    store.verify()
    assert store.keys == [f'clip {i}' for i in range(4)]
    assert all(np.array_equal(store[name][i], item(i)[name]) for name in specs for i in (1, 3))
    assert not any(store[name][i].any() for name in specs for i in (0, 2))
    assert 'frames' not in specs or store['frames'].lengths.tolist() == [0, 1, 0, 3]


def say_and_sleep(told: int) -> None:
    os.write(told, b'here')
    time.sleep(60)


def test_a_forked_worker_does_not_keep_the_lock_of_its_parent(tmp_path):
    writer = FeatureStoreWriter(tmp_path / 'x.h5', SPECS)
    heard, told = os.pipe()
    worker = multiprocessing.get_context('fork').Process(target=say_and_sleep, args=(told, ))
    worker.start()
    assert os.read(heard, 4) == b'here'
    # What the end of the parent does to its files.
    writer.release()
    writer = FeatureStoreWriter(tmp_path / 'x.h5', SPECS)
    worker.kill()
    worker.join()
    writer.add('clip 0', **item(0))
    assert writer.close() == FeatureStore(tmp_path / 'x.h5').content_key


@pytest.mark.parametrize('specs', [SPECS, FIXED], ids=['varying', 'fixed'])
@pytest.mark.parametrize('announced', [False, True])
def test_an_interrupted_writer_goes_on(tmp_path, specs, announced):
    keys = [f'clip {i}' for i in range(9)] if announced else None
    path = tmp_path / 'x.h5'

    def open_writer():
        return FeatureStoreWriter(path, specs, keys)

    with pytest.raises(KeyboardInterrupt), open_writer() as writer:
        for i in range(5):
            writer.add(f'clip {i}', **item(i, specs))
        with pytest.raises(DataError, match='another process is writing this store'):
            open_writer()
        raise KeyboardInterrupt
    # What a kill in the middle of an item leaves: a line without its end.
    with open(tmp_path / 'x.h5.part' / 'journal', 'ab') as journal:
        journal.write(b'{"key": "clip 5", "ro')
    with pytest.raises(DataError, match='holds the beginning of another store'):
        FeatureStoreWriter(path, {'audio': SPECS['audio']}, keys)
    with open_writer() as writer:
        assert len(writer) == 5 and 'clip 4' in writer and 'clip 5' not in writer
        for i in range(5, 9):
            writer.add(f'clip {i}', **item(i, specs))
    assert same(FeatureStore(path), range(9))
    FeatureStore(path).verify()


def test_items_that_the_disk_has_lost_are_written_again(tmp_path):
    writer = FeatureStoreWriter(tmp_path / 'x.h5', SPECS)
    for i in range(4):
        writer.add(f'clip {i}', **item(i))
    writer.release()
    rows = tmp_path / 'x.h5.part' / 'audio.rows'
    rows.write_bytes(rows.read_bytes()[:2 * 320] + bytes(320) + rows.read_bytes()[3 * 320:])
    with FeatureStoreWriter(tmp_path / 'x.h5', SPECS) as writer:
        assert 'clip 2' not in writer and len(writer) == 3
        writer.add('clip 2', **item(2))
    assert same(FeatureStore(tmp_path / 'x.h5'), [0, 1, 3, 2])


def write_for_ever(path: Path, specs: dict, keys: list[str] | None, told: int) -> None:
    """What the process does that is killed: add items, and say so."""
    writer = FeatureStoreWriter(path, specs, keys)
    for i in range(100000):
        writer.add(f'clip {i}', **item(i, specs))
        os.write(told, f'{i}\n'.encode())


@pytest.mark.parametrize(('specs', 'announced'), [(SPECS, None), (FIXED, 3000)], ids=['varying', 'fixed'])
def test_a_killed_writer_goes_on_where_complete_items_ended(tmp_path, specs, announced):
    path, keys = tmp_path / 'x.h5', announced and [f'clip {i}' for i in range(announced)]
    end, told = os.pipe()
    process = multiprocessing.get_context('fork').Process(target=write_for_ever, args=(path, specs, keys, told))
    process.start()
    os.close(told)
    with open(end) as lines:
        first = [next(lines) for _ in range(300)]
        process.kill()
        numbers = [int(line) for line in [*first, *lines] if line.endswith('\n')]
    process.join()
    assert process.exitcode == -9
    assert not path.exists()
    writer = FeatureStoreWriter(path, specs, keys)
    assert all(f'clip {i}' in writer for i in numbers) and len(writer) <= len(numbers) + 1
    count = announced or len(writer) + 3
    for i in range(len(writer), count):
        writer.add(f'clip {i}', **item(i, specs))
    writer.close()
    store = FeatureStore(path)
    assert len(store) == count and np.array_equal(store['label'].gather(range(count)), np.arange(count))
    store.verify()


def test_shards_are_merged(tmp_path):
    for shard in range(3):
        write(tmp_path / f'{shard}.h5', range(shard, 9, 3))
    shards = [tmp_path / f'{shard}.h5' for shard in range(3)]
    key = merge(shards, tmp_path / 'x.h5', [f'clip {i}' for i in range(9)])
    assert same(FeatureStore(tmp_path / 'x.h5'), range(9))
    assert key == write(tmp_path / 'y.h5').content_key
    merge(shards, tmp_path / 'z.h5')
    assert same(FeatureStore(tmp_path / 'z.h5'), [0, 3, 6, 1, 4, 7, 2, 5, 8])
    with pytest.raises(DataError, match=r"0\.h5: the item 'clip 0' is in .*0\.h5 as well"):
        merge([shards[0], shards[0]], tmp_path / 'w.h5')
    write(tmp_path / 'other.h5', specs=FIXED)
    with pytest.raises(DataError, match=r'other\.h5: its arrays differ from those of .*0\.h5'):
        merge([shards[0], tmp_path / 'other.h5'], tmp_path / 'w.h5')
    write(tmp_path / 'late.h5', [9, 0])
    merge([shards[0], tmp_path / 'late.h5'], shards[0], overwrite=True, replace=True)
    assert same(FeatureStore(shards[0]), [0, 3, 6, 9])
    with pytest.raises(ConfigError, match='no stores to merge'):
        merge([], tmp_path / 'w.h5')
