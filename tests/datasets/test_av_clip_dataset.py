from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from torch.utils.data import DataLoader

from avmm.datasets import AVClipDataset, DefaultSampler, SampleIndex, av_collate
from avmm.registry import DATASETS
from avmm.utils import ConfigError, DataError

LAYOUT = dict(audio_path='audio/{id}.wav', frame_dir='video/{id}')
PIPELINE = [
    dict(type='LoadAudio'),
    dict(type='CropOrRepeatAudio', length=1000, crop='random'),
    dict(type='LogSpectrogram', n_fft=64, hop_length=32),
    dict(type='LoadFrames', num_frames=2),
    dict(type='RandomResizedCrop', size=16),
    dict(type='PackAVInputs'),
]


def build(root, **options):
    config = dict(type='AVClipDataset', ann_file='list.csv', data_root=str(root), classes=('cat', 'dog'),
                  layout=LAYOUT, pipeline=PIPELINE)
    return DATASETS.build({**config, **options})


def test_clips_are_loaded_and_packed(clips):
    data = build(clips)
    item = data[3]
    assert len(data) == 30
    assert item['inputs']['audio'].shape == (1, 33, 32) and item['inputs']['visual'].shape == (3, 2, 16, 16)
    assert item['data_samples'].sample_id == 'clip_03' and item['data_samples'].gt_label == 1


def test_labels_are_known_without_loading(clips):
    data = build(clips, pipeline=[])
    assert data.labels.tolist() == [1, 0, 0] * 10
    assert data.get_cat_ids(3) == [1]
    assert data.classes == ('cat', 'dog')


def test_labels_follow_subsets(clips):
    data = build(clips, pipeline=[])
    assert data.labels[0] == 1
    assert data.get_subset([1, 3]).labels.tolist() == [0, 1]
    assert len(data) == 30
    data.get_subset_([3, 1, 0])
    assert data.labels.tolist() == [1, 0, 1]
    assert build(clips, pipeline=[], indices=2).labels.tolist() == [1, 0]


def test_the_list_is_serialised_and_lazy(clips):
    data = build(clips, lazy_init=True)
    assert data.data_list == [] and not data._fully_initialized
    assert len(pickle.loads(pickle.dumps(data))) == 30
    assert data.labels.shape == (30, ) and data.data_list == [] and data.data_bytes.dtype == np.uint8


def test_randomness_belongs_to_the_draw(clips):
    data = build(clips)
    first, again = (data[SampleIndex(4, 1, 2, 3)]['inputs'] for _ in range(2))
    other = data[SampleIndex(4, 1, 2, 4)]['inputs']
    assert all(torch.equal(first[m], again[m]) for m in first)
    assert not any(torch.equal(first[m], other[m]) for m in first)


@pytest.mark.parametrize('wrap', [lambda d: ConcatDataset([d, d]), lambda d: RepeatDataset(d, 2)])
def test_randomness_reaches_data_sets_inside_of_others(clips, wrap):
    data = wrap(build(clips))
    inside = build(clips)[SampleIndex(4, 1, 2, 3)]['inputs']['visual']
    assert torch.equal(data[SampleIndex(34, 1, 2, 3)]['inputs']['visual'], inside)
    assert not torch.equal(data[SampleIndex(34, 1, 3, 3)]['inputs']['visual'], inside)


def test_workers_do_not_change_the_samples(clips):
    data = build(clips)
    batches = []
    for workers in (0, 2):
        loader = DataLoader(data, batch_size=8, sampler=DefaultSampler(data, seed=5), num_workers=workers,
                            collate_fn=av_collate)
        batches.append(torch.cat([batch['inputs']['visual'] for batch in loader]))
    assert torch.equal(*batches)


def test_frozen_copies_come_again(clips):
    data = build(clips, frozen_copies=3)
    seen = {data[SampleIndex(0, 0, epoch, 5)]['inputs']['visual'].numpy().tobytes() for epoch in range(12)}
    assert len(seen) == 3


@pytest.mark.parametrize('fraction', [0.2, 0.5])
def test_the_validation_split_is_held_out_of_each_class(clips, fraction):
    train, val = (build(clips, split=s, val_fraction=fraction, pipeline=[]) for s in ('train', 'val'))
    ids = [{data.get_data_info(i)['sample_id'] for i in range(len(data))} for data in (train, val)]
    assert not ids[0] & ids[1] and len(ids[0] | ids[1]) == 30
    assert np.bincount(val.labels).tolist() == [20 * fraction, 10 * fraction]
    other = build(clips, split='val', val_fraction=fraction, val_seed=1, pipeline=[])
    assert other.fingerprint() != val.fingerprint()


def test_the_validation_split_does_not_depend_on_the_order_of_the_list(clips):
    before = build(clips, split='val', val_fraction=0.2).fingerprint()
    lines = (clips / 'list.csv').read_text().splitlines()
    (clips / 'list.csv').write_text('\n'.join(reversed(lines)))
    assert build(clips, split='val', val_fraction=0.2).fingerprint() == before


def test_the_test_split_is_whole(clips):
    assert len(build(clips, split='test', val_fraction=0.5)) == 30


def test_fingerprints_name_the_pairs_of_clip_and_class(clips):
    before = build(clips).fingerprint()
    assert len(before) == 16 and int(before, 16) >= 0
    text = (clips / 'list.csv').read_text()
    (clips / 'list.csv').write_text(text.replace('clip_01,cat', 'clip_01,dog'))
    assert build(clips).fingerprint() != before


def test_labels_may_be_numbers(clips):
    (clips / 'list.csv').write_text('clip_00,7\nclip_01,2\n')
    assert build(clips, classes=None).labels.tolist() == [7, 2]


def test_a_prefix_and_a_single_image(clips, write_clip):
    write_clip(image=clips / 'pictures' / 'clip_00.jpg')
    data = build(clips, layout=dict(image_path='{id}.jpg'), data_prefix=dict(image_path='pictures'), indices=1,
                 pipeline=[dict(type='LoadFrames'), dict(type='PackAVInputs')])
    assert set(data[0]['inputs']) == {'visual'} and data[0]['inputs']['visual'].shape == (3, 1, 32, 48)


def test_the_environment_names_the_root_of_all_data(clips, monkeypatch):
    monkeypatch.setenv('AVMM_DATA', str(clips.parent))
    assert len(build(f'data/{clips.name}')) == 30


# Bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('text', 'message'), [
    ('clip_00,dog\nclip_01\n', r'list\.csv:2: 2 fields are expected \(clip, label\), got 1$'),
    ('clip_00,dog,1\n', r'list\.csv:1: 2 fields are expected'),
    ('clip_00,dog\n\nclip_01,catt\n', r"list\.csv:3: unknown class 'catt'; did you mean 'cat'\?"),
    ('clip_00,zebra\n', r"list\.csv:1: unknown class 'zebra'; the data set has 2 classes"),
    ('clip_00,2\n', r"list\.csv:1: unknown class '2'"),
    ('', r'list\.csv: the list file is empty'),
    ('../../secret,dog\n', r'list\.csv:1: \.\./\.\./secret lies outside'),
    ('/etc/passwd,dog\n', r'list\.csv:1: /etc/passwd lies outside'),
])
def test_a_wrong_list_is_named_by_file_and_line(clips, text, message):
    (clips / 'list.csv').write_text(text)
    with pytest.raises(DataError, match=message):
        build(clips)


def test_a_missing_list(clips):
    with pytest.raises(DataError, match=r'none\.csv: the list file is missing'):
        build(clips, ann_file='none.csv')


def test_a_list_that_is_no_text(clips):
    (clips / 'list.csv').write_bytes(b'\xff\xfe\x00clip')
    with pytest.raises(DataError, match=r'list\.csv: the list file cannot be read'):
        build(clips)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(split='validation'), "split must be one of train, val, test, got 'validation'"),
    (dict(split='val'), "split='val' needs a val_fraction above 0"),
    (dict(val_fraction=1.0), 'val_fraction must lie in 0 to 1'),
    (dict(on_error='ignore'), "on_error must be 'raise' or 'skip'"),
    (dict(layout=dict(sound='x')), "layout: unknown key 'sound'"),
    (dict(layout=dict(audio_path='{clip}.wav')), r'layout: audio_path=.* may name \{id\}'),
    (dict(data_prefix=dict(video_path='x')), "data_prefix: 'video_path' is not a key of the layout"),
    (dict(ann_file=''), 'AVClipDataset needs an ann_file'),
])
def test_wrong_options(clips, options, message):
    with pytest.raises(ConfigError, match=message):
        build(clips, **options)


def test_links_out_of_the_root_need_allowed_roots(clips, tmp_path_factory):
    outside = tmp_path_factory.mktemp('elsewhere')
    wav = clips / 'audio' / 'clip_00.wav'
    os.replace(wav, outside / 'a.wav')
    wav.symlink_to(outside / 'a.wav')
    with pytest.raises(DataError, match=r'clip_00\.wav lies outside .*allowed_roots'):
        build(clips)[0]
    assert 'audio' in build(clips, allowed_roots=[str(outside)])[0]['inputs']


def test_an_unreadable_clip_stops_the_run_by_default(clips):
    (clips / 'audio' / 'clip_02.wav').write_bytes(b'')
    with pytest.raises(DataError, match=r'clip_02\.wav: the file is empty'):
        build(clips)[2]


def test_an_unreadable_clip_is_replaced_on_request(clips):
    (clips / 'audio' / 'clip_02.wav').unlink()
    data = build(clips, on_error='skip')
    items = [data[SampleIndex(2, 1, 0, p)]['data_samples'] for p in (0, 0, 1, 2, 3)]
    assert all(item.replaced.endswith('clip_02.wav: the file is missing') for item in items)
    ids = [item.sample_id for item in items]
    assert ids[0] == ids[1] and len(set(ids)) > 1 and 'clip_02' not in ids
    assert 'replaced' not in data[3]['data_samples'].metainfo


def test_a_test_set_replaces_nothing(clips):
    (clips / 'audio' / 'clip_02.wav').unlink()
    with pytest.raises(DataError, match=r'clip_02\.wav: the file is missing'):
        build(clips, on_error='skip', test_mode=True)[2]


def test_replacing_gives_up_where_nothing_can_be_read(clips):
    for wav in (clips / 'audio').iterdir():
        wav.unlink()
    with pytest.raises(DataError, match=r'clip_00\.wav: the file is missing; none of 5 clips tried'):
        build(clips, on_error='skip', max_refetch=5)[0]


def test_a_split_without_clips(clips):
    (clips / 'list.csv').write_text('clip_00,dog\n')
    with pytest.raises(DataError, match=r"list\.csv: no clips for the split 'val'"):
        build(clips, split='val', val_fraction=0.1)


def test_a_dataset_can_be_built_without_a_scope(clips):
    data = AVClipDataset('list.csv', str(clips), layout=LAYOUT, classes=('cat', 'dog'), pipeline=PIPELINE)
    assert data[0]['inputs']['audio'].dtype == torch.float32
