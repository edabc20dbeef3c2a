"""Runs into a store: order, failures, resuming, shards."""
from __future__ import annotations

import json

import pytest

from avmm.datasets.feature_store import FeatureStore
from avmm.extraction import Extraction, Item, Layout, Report, Shard, StoreRun, merge_shards, read_items, unfinished
from avmm.testing.toy_extractor import ToyExtractor
from avmm.utils import ConfigError, DataError


def run(items, out, shard=Shard(), pool: bool = True, **options) -> tuple[Report, int]:  # noqa: B008 - it is frozen
    """The report of a run, and the number of units that went through the extractor."""
    extractor, layout = ToyExtractor(pool=pool), Layout(out, shard)
    with Extraction(dict(toy=extractor), num_workers=0) as extraction:
        report = StoreRun(extraction, items, layout, **options).run()
    if report.store != str(out) and report.complete:
        report = merge_shards(layout, [item.key for item in items], options.get('resume', False)) or report
    return report, sum(extractor.batches)


def value(store: FeatureStore, key: str) -> float:
    """First number of an item."""
    return float(store['toy'][store.find([key])[0]].reshape(-1)[0])


def content(out) -> list[float]:
    store = FeatureStore(out)
    store.verify()
    return [value(store, key) for key in store.keys]


@pytest.mark.parametrize('pool', [True, False])
def test_items_are_in_the_order_of_the_source(toys, tmp_path, pool):
    items = read_items(toys(9))[::-1]
    report, units = run(items, tmp_path / 'x.h5', pool=pool)
    assert (report.items, report.done, report.skipped, report.failed, report.status) == (9, 9, 0, [], 0)
    assert units == 45 and content(tmp_path / 'x.h5') == list(range(9))[::-1]
    assert report.content_key == FeatureStore(tmp_path / 'x.h5').content_key
    assert json.loads((tmp_path / 'x.report.json').read_text())['done'] == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ['media', 'x.h5', 'x.report.json']


def test_a_clip_of_several_items_is_done_once(toys, tmp_path):
    folder = toys(3)
    items = [Item(f'row {i}', str(folder / f'c{n:02d}.mp4')) for i, n in enumerate([2, 1, 2, 0, 2])]
    report, units = run(items, tmp_path / 'x.h5')
    assert report.done == 5 and units == 6 and content(tmp_path / 'x.h5') == [2, 1, 2, 0, 2]


@pytest.mark.parametrize('pool', [True, False])
def test_items_that_fail_are_left_out(toys, tmp_path, pool):
    folder = toys(3, bad=b'bad')
    report, _ = run(read_items(folder), tmp_path / 'x.h5', pool=pool)
    assert report.status == 1 and report.complete and report.done == 3
    assert report.failed == [dict(key='bad', path=str(folder / 'bad.mp4'), reason=f'{folder}/bad.mp4: not a toy')]
    assert FeatureStore(tmp_path / 'x.h5').keys == ['c00', 'c01', 'c02'] and content(tmp_path / 'x.h5') == [0, 1, 2]
    lines = '\n'.join(report.lines())
    assert '4 items: 3 done, 0 there before, 1 failed' in lines and 'failed: bad: ' in lines
    assert 'the store is without them; --resume tries them again' in lines


def test_a_store_is_completed_once_the_broken_file_is_mended(toys, tmp_path):
    out, folder = tmp_path / 'x.h5', toys(3, bad=b'bad', worse=b'bad')
    items = read_items(folder)
    with pytest.raises(DataError, match=r'x\.h5 exists; --resume adds what it lacks'):
        run(items, out)
        run(items, out)
    (folder / 'bad.mp4').write_bytes(b'\x07')
    report, units = run(items, out, resume=True)
    assert (report.done, report.skipped, len(report.failed), units) == (1, 3, 1, 1)
    assert FeatureStore(out).keys == ['bad', 'c00', 'c01', 'c02'] and content(out) == [7, 0, 1, 2]
    (folder / 'worse.mp4').write_bytes(b'\x08')
    assert run(items, out, resume=True)[0].status == 0
    key = FeatureStore(out).content_key
    report, units = run(items, out, resume=True)
    assert (report.status, report.done, report.skipped, units, report.content_key) == (0, 0, 5, 0, key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['media', 'x.h5', 'x.report.json']


def test_zeros_are_replaced_once_the_file_is_mended(toys, tmp_path):
    out, folder = tmp_path / 'x.h5', toys(2, bad=b'bad')
    report, _ = run(read_items(folder), out, on_error='zeros')
    assert report.status == 1 and content(out) == [0, 0, 1] and FeatureStore(out).keys[0] == 'bad'
    (folder / 'bad.mp4').write_bytes(b'\x07')
    report, units = run(read_items(folder), out, on_error='zeros', resume=True)
    assert report.status == 0 and units == 1 and content(out) == [7, 0, 1]


def test_a_store_may_be_held_until_all_items_are_there(toys, tmp_path):
    out, folder = tmp_path / 'x.h5', toys(3, bad=b'bad')
    report, _ = run(read_items(folder), out, on_error='hold')
    assert report.status == 1 and not report.complete and not out.exists()
    with pytest.raises(DataError, match=r'x\.h5\.part holds an unfinished run; --resume goes on with it'):
        run(read_items(folder), out)
    with pytest.raises(ConfigError, match='was begun in 1 shards, and this is one of 2'):
        run(read_items(folder), out, Shard(0, 2), resume=True)
    (folder / 'bad.mp4').write_bytes(b'\x07')
    report, units = run(read_items(folder), out, on_error='hold', resume=True)
    assert (report.status, report.done, report.skipped, units) == (0, 1, 3, 1) and content(out) == [7, 0, 1, 2]


def test_a_run_may_stop_at_the_first_failure(toys, tmp_path):
    folder = toys(0, a=b'bad', b=b'bad')
    report, _ = run(read_items(folder), tmp_path / 'x.h5', on_error='stop')
    assert len(report.failed) == 1 and report.status == 1 and not (tmp_path / 'x.h5').exists()


def test_nothing_at_all_could_be_extracted(toys, tmp_path):
    report, _ = run(read_items(toys(0, a=b'bad')), tmp_path / 'x.h5')
    assert report.status == 1 and not report.complete and not (tmp_path / 'x.h5').exists()


def test_a_store_of_other_settings_is_not_mixed_in(toys, tmp_path):
    items = read_items(toys(2))
    run(items, tmp_path / 'x.h5', meta=dict(amp=None))
    for options in (dict(meta=dict(amp='fp16')), dict(meta=dict(amp=None), pool=False)):
        with pytest.raises(DataError, match=r'x\.h5 was made with other settings; --overwrite replaces it'):
            run(items, tmp_path / 'x.h5', resume=True, **options)
    report, units = run(items[1:], tmp_path / 'x.h5', overwrite=True, pool=False)
    assert report.status == 0 and units == 2 and FeatureStore(tmp_path / 'x.h5').arrays['toy'].varies
    with pytest.raises(ConfigError, match="on_error is 'ignore'; it must be one of skip, zeros, hold, stop"):
        run(items, tmp_path / 'y.h5', on_error='ignore')


def test_a_folder_that_has_grown(toys, tmp_path):
    out = tmp_path / 'x.h5'
    run(read_items(toys(2)), out)
    report, units = run(read_items(toys(3, a=b'\x07')), out, resume=True)
    assert (report.done, report.skipped, units) == (2, 2, 4)
    assert FeatureStore(out).keys == ['a', 'c00', 'c01', 'c02'] and content(out) == [7, 0, 1, 2]


@pytest.mark.parametrize('on_error', ['skip', 'zeros'])
def test_the_last_shard_makes_one_store(toys, tmp_path, on_error):
    folder = toys(6, bad=b'bad')
    items, out = read_items(folder), tmp_path / 'x.h5'
    for i in (2, 0):
        report, _ = run(items, out, Shard(i, 3), on_error=on_error)
        assert report.complete and not out.exists()
    assert unfinished(Layout(out, Shard(0, 3))) == [1]
    report, _ = run(items, out, Shard(1, 3), on_error=on_error)
    assert (report.items, report.done, len(report.failed), report.complete) == (7, 6, 1, True)
    alone, _ = run(items, tmp_path / 'y.h5', on_error=on_error)
    assert report.content_key == alone.content_key and FeatureStore(out).keys == FeatureStore(tmp_path / 'y.h5').keys
    (folder / 'bad.mp4').write_bytes(b'\x07')
    for i in range(3):
        report, units = run(items, out, Shard(i, 3), on_error=on_error, resume=True)
    assert report.status == 0 and report.skipped == 6 and content(out) == [7, 0, 1, 2, 3, 4, 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['media', 'x.h5', 'x.report.json', 'y.h5',
                                                                'y.report.json']


def test_a_shard_that_was_through_is_not_done_again(toys, tmp_path):
    items, out = read_items(toys(4)), tmp_path / 'x.h5'
    run(items, out, Shard(0, 2))
    with pytest.raises(DataError, match=r'x\.h5\.shards holds an unfinished run; --resume goes on with it'):
        run(items, out, Shard(0, 2))
    with pytest.raises(ConfigError, match=r'was begun in 2 shards, and this is one of 3; go on with --shard i/2'):
        run(items, out, Shard(2, 3), resume=True)
    # Killed between the store and its report.
    path = tmp_path / 'x.h5.shards' / '0000-of-0002.json'
    path.write_text(path.read_text().replace('true', 'false'))
    report, units = run(items, out, Shard(0, 2), resume=True)
    assert report.complete and units == 0 and report.skipped == 2
    assert run(items, out, Shard(1, 2), resume=True)[0].status == 0 and content(out) == [0, 1, 2, 3]


def test_more_shards_than_clips(toys, tmp_path):
    items, out = read_items(toys(2, bad=b'bad')), tmp_path / 'x.h5'
    for i in range(5):
        report, _ = run(items, out, Shard(i, 5))
    assert report.complete and report.done == 2 and content(out) == [0, 1]


@pytest.mark.parametrize(('environ', 'text', 'expected'), [
    ({}, None, (0, 1)), ({}, '3/8', (3, 8)), (dict(RANK='1', WORLD_SIZE='4'), None, (1, 4)),
    (dict(RANK='1', WORLD_SIZE='4'), '1/2', (5, 8)),
    (dict(SLURM_ARRAY_TASK_ID='7', SLURM_ARRAY_TASK_COUNT='4', SLURM_ARRAY_TASK_MIN='1', SLURM_ARRAY_TASK_STEP='2'),
     None, (3, 4)),
    (dict(SLURM_ARRAY_TASK_ID='7', SLURM_ARRAY_TASK_COUNT='1', SLURM_ARRAY_TASK_MIN='7', RANK='0', WORLD_SIZE='2'),
     '7/8', (14, 16)),
])
def test_the_shard_of_a_process(environ, text, expected):
    assert Shard.of_process(environ, text) == Shard(*expected)


@pytest.mark.parametrize(('environ', 'text', 'message'), [
    ({}, '8/8', r'shard 8/8: shards are counted from 0/8 to 7/8'),
    ({}, 'first', '--shard first: is written as in 0/8'),
    (dict(SLURM_ARRAY_TASK_ID='7'), None, r"the environment does not say which shard this is \('SLURM_ARRAY_TASK_COU"),
    (dict(WORLD_SIZE='two'), None, 'the environment does not say which shard this is'),
])
def test_shards_that_cannot_be(environ, text, message):
    with pytest.raises(ConfigError, match=message):
        Shard.of_process(environ, text)


def test_a_report_of_another_program(tmp_path):
    (tmp_path / 'x.json').write_text('{"done": 1}')
    with pytest.raises(DataError, match=r'x\.json: no report of an extraction'):
        Report.read(tmp_path / 'x.json')


def test_many_failures_are_summed_up():
    failed = [dict(key=f'{i}', path='p', reason='broken') for i in range(14)]
    assert Report('x.h5', items=14, failed=failed).lines()[-1] == '  and 4 more'
