from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'ave_synthetic.py'
NAME = 'dataset_converters/ave_synthetic.py'
FEATURES = ('visual_feature', 'visual_feature_vec', 'audio_feature', 'visual_feature_noisy', 'audio_feature_noisy')


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('ave_synthetic_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def small(tool, tmp_path_factory):
    """A data set of 56 videos on a 3 x 3 grid."""
    out = tmp_path_factory.mktemp('sets') / 'ave'
    options = tool.Options(videos=56, background=4)
    return out, options, tool.build(out, options)


def read(folder, name, key='avadataset'):
    with h5py.File(folder / f'{name}.h5') as file:
        assert list(file) == [key] and file[key].chunks is None and file[key].compression is None
        return file[key][()]


@pytest.fixture(scope='module')
def official(tool, tmp_path_factory):
    """Label files as the official ones: of videos drawn with another seed."""
    folder = tmp_path_factory.mktemp('official') / 'ave'
    tool.build(folder, tool.Options(videos=140, background=2, grid=1, seed=5))
    for name in FEATURES:
        (folder / f'{name}.h5').unlink()
    return folder


def test_files_have_the_official_form(small):
    out, _, meta = small
    shapes = dict(visual_feature=(56, 10, 3, 3, 512), visual_feature_vec=(56, 10, 512), audio_feature=(56, 10, 128),
                  visual_feature_noisy=(4, 10, 3, 3, 512), audio_feature_noisy=(4, 10, 128))
    for name, shape in shapes.items():
        features = read(out, name)
        assert features.shape == shape and features.dtype == np.float64 and features.min() == 0
        assert np.array_equal(features, features.astype(np.float32))
    for name, shape, dtype in (('labels', (56, 10, 29), np.int64), ('mil_labels', (56, 29), np.float32),
                               ('labels_closs', (56, 10), np.float32), ('labels_noisy', (4, 29), np.float32)):
        labels = read(out, name)
        assert labels.shape == shape and labels.dtype == dtype
        assert np.isin(labels, (0, 1)).all()
    for name in ('train', 'val', 'test'):
        for suffix in ('', '_match'):
            rows = read(out, f'{name}_order{suffix}', 'order')
            assert rows.dtype == np.int64 and len(rows) == meta['sizes'][name + suffix]
    assert json.loads((out / 'meta.json').read_text()) == meta
    assert len(list(out.iterdir())) == len(shapes) + 4 + 6 + 2


def test_labels_agree_with_each_other(small, tool):
    out = small[0]
    lines = [line.split('&') for line in (out / 'Annotations.txt').read_text().splitlines()]
    labels, inside = read(out, 'labels'), read(out, 'labels_closs')
    video = read(out, 'mil_labels').argmax(1)
    assert [tool.AVE_CLASSES.index(line[0]) for line in lines] == video.tolist() == sorted(video)
    assert {line[2] for line in lines} == {'good'} and len({line[1] for line in lines}) == 56
    for row, (_, _, _, start, end) in enumerate(lines):
        assert np.flatnonzero(inside[row]).tolist() == list(range(int(start), int(end)))
    assert np.array_equal(labels.argmax(2), np.where(inside == 1, video[:, None], 28))
    assert (labels.sum(2) == 1).all() and (read(out, 'labels_noisy').argmax(1) == 28).all()
    assert read(out, 'mil_labels')[:, 28].sum() == 0


def test_splits_cover_all_videos_once(small):
    out = small[0]
    inside = read(out, 'labels_closs')
    for suffix in ('', '_match'):
        parts = [read(out, f'{split}_order{suffix}', 'order') for split in ('train', 'val', 'test')]
        assert sorted(np.concatenate(parts)) == list(range(56))
    assert [len(part) for part in parts] == [46, 5, 5]
    assert ((inside[parts[2]].sum(1) > 0) & (inside[parts[2]].sum(1) < 10)).all()


def test_splits_of_few_videos(tool):
    for videos in (28, 40, 90):
        _, orders = tool.labels_of(tool.Options(videos=videos))
        held_out = round(videos * 402 / 4143)
        assert len(orders['val']) == len(orders['test']) == held_out
        assert sorted(np.concatenate([orders[split] for split in ('train', 'val', 'test')])) == list(range(videos))


def test_full_size_labels_have_the_published_statistics(tool):
    table, orders = tool.labels_of(tool.Options(videos=4143, background=178, grid=1))
    assert np.bincount(table.classes).tolist() == list(tool.CLASS_COUNTS)
    lengths = dict(zip(*np.unique(np.diff(table.spans), return_counts=True), strict=True))
    assert lengths == tool.LENGTH_COUNTS
    assert [len(orders[name]) for name in ('train', 'val', 'test')] == [3339, 402, 402]
    per_class = np.bincount(table.classes[orders['test']], minlength=28)
    assert np.abs(per_class - 402 * np.bincount(table.classes) / 4143).max() < 1
    assert 0.8 < table.mask()[orders['train']].mean() < 0.85


def test_same_seed_same_content_whatever_the_type_on_disk(tool, small, tmp_path):
    out, options, meta = small
    again = tool.build(tmp_path / 'again', tool.Options(**{**meta['options'], 'dtype': 'float32'}))
    assert again['fingerprint'] == meta['fingerprint']
    assert read(tmp_path / 'again', 'visual_feature').dtype == np.float32
    assert np.array_equal(read(tmp_path / 'again', 'visual_feature'), read(out, 'visual_feature'))
    other = tool.build(tmp_path / 'other', tool.Options(**{**meta['options'], 'seed': 1}))
    assert other['fingerprint'] != meta['fingerprint']


def test_features_look_like_those_of_networks(small):
    out = small[0]
    audio, visual = read(out, 'audio_feature'), read(out, 'visual_feature')
    assert 0.5 < (audio == 0).mean() < 0.75 and 0.5 < (visual == 0).mean() < 0.75
    assert 0.08 < audio.mean() < 0.25
    assert np.allclose(read(out, 'visual_feature_vec'), visual.mean((2, 3)), rtol=1e-6)


def clear(tool, **options):
    """Scenery without noise, variation or families: a unit is what its class alone makes it."""
    return tool.Scenery(tool.Options(**{**dict(noise=0, variation=0, likeness=0, clutter=0, lone=0), **options}))


def shows(tool, scenery, features, label, means):
    """Whether features hold the class ``label`` and nothing else."""
    signal = np.float32(scenery.options.visual_signal if means is scenery.sight else scenery.options.audio_signal)
    scale = 1 if means is scenery.sight else tool.AUDIO_SCALE
    return np.isclose(features, scale * np.maximum(signal * means[label], 0), atol=1e-5).all(-1)


def test_an_event_is_heard_everywhere_and_seen_in_one_block(tool):
    scenery = clear(tool, event_size=0.3, grid=7)
    audio, visual = scenery.video(2, 0, 5, 3, 8)
    assert shows(tool, scenery, audio, 5, scenery.sound).tolist() == [False] * 3 + [True] * 5 + [False] * 2
    seen = shows(tool, scenery, visual, 5, scenery.sight)
    assert seen.sum((1, 2)).tolist() == [0] * 3 + [4] * 5 + [0] * 2
    assert (visual[~seen] == 0).all()


def test_lone_seconds_have_the_sound_or_the_sight_of_the_class(tool):
    scenery = clear(tool, lone=1, segments=40)
    audio, visual = scenery.video(3, 1, 9, 0, 0)
    heard = shows(tool, scenery, audio, 9, scenery.sound)
    seen = shows(tool, scenery, visual, 9, scenery.sight).any((1, 2))
    assert (heard ^ seen).all() and 5 < heard.sum() < 35


def test_clutter_never_shows_the_class_of_the_event(tool):
    scenery = clear(tool, clutter=1)
    visual = scenery.video(2, 4, 3, 0, 0)[1]
    assert not shows(tool, scenery, visual, 3, scenery.sight).any()
    assert (visual.max(-1) > 0).all() and np.array_equal(visual[0], visual[9])


def test_one_video_never_changes_another(tool):
    options = tool.Options()
    first, second = (tool.Scenery(options) for _ in range(2))
    first.video(2, 0, 1, 0, 4)
    for a, b in zip(first.video(2, 7, 2, 3, 9), second.video(2, 7, 2, 3, 9), strict=True):
        assert np.array_equal(a, b)


def test_official_labels_are_copied(official, tmp_path, run_tool):
    done = run_tool(NAME, '--out', tmp_path / 'set', '--official', official, '--grid', 1, '--dtype', 'float32')
    assert done.status == 0, done.err
    assert '112 train, 14 val, 14 test, 6 background videos' in done.out
    for name in ('labels', 'mil_labels', 'labels_closs'):
        assert np.array_equal(read(tmp_path / 'set', name), read(official, name))
    for split in ('train', 'val', 'test'):
        for suffix in ('', '_match'):
            name = f'{split}_order{suffix}'
            assert np.array_equal(read(tmp_path / 'set', name, 'order'), read(official, name, 'order'))
    assert (tmp_path / 'set' / 'Annotations.txt').read_bytes() == (official / 'Annotations.txt').read_bytes()


def test_some_of_the_official_videos(tool, official):
    options = tool.Options(videos=100, background=1, grid=1, official=str(official))
    table, orders = tool.labels_of(options)
    whole, all_orders = tool.official_labels(official)
    place = {name: i for i, name in enumerate(whole.names)}
    rows = np.array([place[name] for name in table.names])
    assert len(rows) == 100 and (np.diff(rows) > 0).all()
    assert np.array_equal(whole.spans[rows], table.spans) and set(table.classes) == set(range(28))
    for name, order in orders.items():
        assert rows[order].tolist() == [row for row in all_orders[name] if row in set(rows)]


@pytest.mark.parametrize(('args', 'message'), [
    (['--videos', 20], '--videos 20: choose 28 to'),
    (['--lone', 1.5], '--lone 1.5: choose 0 to 1'),
    (['--noise', 'nan'], '--noise nan: choose 0 to 100'),
    (['--official', '{tmp}/none'], 'none/Annotations.txt: the list of events is missing'),
    (['--official', '{official}', '--videos', 150], '--videos 150:'),
    (['--official', '{official}', '--segments', 6], '--segments 6: the official labels have 10'),
    (['--official', '{tmp}/torn'], 'torn/Annotations.txt:1: Category&YouTube id&Quality&Start&End is expected'),
    (['--out', '{official}', '--videos', 50], 'holds synthetic AVE with other options'),
])
def test_errors_are_one_line(official, tmp_path, run_tool, args, message):
    (tmp_path / 'torn').mkdir()
    (tmp_path / 'torn' / 'Annotations.txt').write_text('Church bell&x\n')
    args = [str(arg).format(tmp=tmp_path, official=official) for arg in args]
    done = run_tool(NAME, '--out', tmp_path / 'set', *args)
    assert done.status == 2
    assert message in done.err and done.err.count('\n') == 1


@pytest.mark.parametrize(('name', 'message'), [('labels_closs', 'does not agree with Annotations.txt'),
                                               ('test_order', 'test_order.h5: ')])
def test_official_files_that_are_wrong(official, tmp_path, run_tool, name, message):
    copy = shutil.copytree(official, tmp_path / 'official')
    with h5py.File(copy / f'{name}.h5', 'w') as file:
        if name == 'labels_closs':
            file['avadataset'] = np.zeros((140, 10), np.float32)
    done = run_tool(NAME, '--out', tmp_path / 'set', '--official', copy)
    assert done.status == 2 and message in done.err and done.err.count('\n') == 1
    assert not (tmp_path / 'set').exists()


def test_official_files_where_they_are(tool):
    """The real label files, where AVMM_REAL_DATA says that they are, give the checksum of the official arrays."""
    folder = Path(os.environ.get('AVMM_REAL_DATA', 'nowhere')) / 'data' / 'ave'
    table, orders = tool.official_labels(folder) if folder.is_dir() else tool.labels_of(tool.Options(videos=4143))
    labels = tool.label_arrays(table, 10)['labels'].astype('<i8')
    assert labels.shape == (4143, 10, 29) and labels.sum() == 41430
    assert (zlib.crc32(labels.tobytes()) == 0x1fa34260) == folder.is_dir()
    assert (zlib.crc32(orders['train'].astype('<i8').tobytes()) == 0x51a62f64) == folder.is_dir()
