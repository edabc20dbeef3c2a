"""Features and sounds of UAVM, single clips and whole batches."""
from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from avmm.datasets import av_collate
from avmm.datasets.samplers import DefaultSampler
from avmm.datasets.samplers.base import SampleIndex
from avmm.models.losses.targets import batch_targets
from avmm.utils import ConfigError, DataError
from projects.uavm.tests.uavm_files import LABELS, write_features, write_list
from projects.uavm.uavm import UAVMAudioDataset, UAVMDataPreprocessor, UAVMFeatureDataset
from projects.uavm.uavm.datasets.feature_dataset import read_features

LISTS = dict(ann_file='clips.json', label_file='labels.csv')


def features(folder, **options) -> UAVMFeatureDataset:
    return UAVMFeatureDataset(**LISTS, data_root=str(folder), seq_len=6, **options)


def test_a_clip_is_cut_padded_and_normalised(tmp_path):
    made = write_features(tmp_path)
    data = features(tmp_path, label_smooth=0.1)
    item = data[1]
    audio, visual = item['inputs']['audio'], item['inputs']['visual']
    assert audio.shape == visual.shape == (6, 8) and visual.dtype == torch.float32
    torch.testing.assert_close(audio[:5].norm(dim=1), torch.ones(5))
    assert not audio[5].any() and data[1]['data_samples'].sample_id == 'clip1'
    torch.testing.assert_close(visual, torch.nn.functional.normalize(torch.from_numpy(made[1]['visual']).float()))
    assert item['data_samples'].gt_label == (1, 2) and data[0]['data_samples'].gt_label == 0
    np.testing.assert_allclose(item['data_samples'].gt_score, [.025, .9, .9, .025], rtol=1e-6)


def test_draws_follow_from_their_place_alone(tmp_path):
    write_features(tmp_path, store='out.h5')
    options = dict(mixup=0.5, noise=True, label_smooth=0.1)
    files, packed = features(tmp_path, **options), features(tmp_path, store='out.h5', **options)
    draws = [SampleIndex(2, 0, 1, place) for place in range(12)]
    first, again = ([data[i] for i in draws] for data in (files, packed))
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one['inputs'], other['inputs'], atol=1e-6, rtol=1e-6)
        assert torch.equal(one['data_samples'].gt_score, other['data_samples'].gt_score)
    assert len({tuple(item['inputs']['audio'].flatten().tolist()) for item in first}) > 6


def test_one_modality_alone_can_be_rolled(tmp_path):
    write_features(tmp_path)
    item = features(tmp_path, modalities=['visual'], noise=True)[0]
    assert list(item['inputs']) == ['visual']


@pytest.mark.parametrize(('dtype', 'norm', 'stored'), [
    ('float32', True, False), ('float16', True, False), ('float32', True, True), ('float16', False, False)])
def test_batches_are_what_single_clips_are(tmp_path, monkeypatch, dtype, norm, stored):
    """With the choices of the batch in the place of their own, single clips give the same numbers."""
    write_features(tmp_path, labels=LABELS * 4, store='out.h5', dtype=dtype, norms=stored)
    options = dict(store='out.h5', mixup=0.6, noise=True, label_smooth=0.1, feat_norm=norm)
    batches, single = features(tmp_path, mode='batch', **options), features(tmp_path, **options)
    indices = [SampleIndex(i, 4, 0, n) for n, i in enumerate(torch.randperm(32)[:20].tolist())]
    batch = batches.__getitems__(indices)
    plan, target = batch['plan'], batch['data_samples'].target
    assert set(plan['norms']) == ({'audio', 'visual'} if stored else set())
    done = UAVMDataPreprocessor()(batch, training=True)['inputs']
    rng = np.random.default_rng((4, 0, 0))
    mixed = rng.random(20) < 0.6
    partners = iter(rng.integers(32, size=mixed.sum()))
    assert plan['places'].tolist() == np.flatnonzero(mixed).tolist() and 3 < mixed.sum() < 19
    shares, shifts = iter(plan['weights'].tolist()), plan['shifts']
    for place, index in enumerate(indices):
        mixture = (int(next(partners)), next(shares)) if mixed[place] else None
        monkeypatch.setattr(single, 'choose_mixture', lambda streams, found=mixture: found)
        streams = single.streams(index)
        monkeypatch.setattr(streams, 'shift', lambda width, found=int(shifts[place]): found)
        monkeypatch.setattr(single, 'streams', lambda idx, found=streams: found)
        item = single[int(index)]
        for name in ('audio', 'visual'):
            torch.testing.assert_close(done[name][place], item['inputs'][name], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(target[place], item['data_samples'].gt_score)
        monkeypatch.undo()


def test_batches_of_workers_are_those_of_one_process(tmp_path):
    write_features(tmp_path, labels=LABELS * 3, store='out.h5')
    data = features(tmp_path, store='out.h5', mode='batch', mixup=0.5, noise=True)
    preprocess, found = UAVMDataPreprocessor(), []
    for workers in (0, 2):
        loader = DataLoader(data, 8, sampler=DefaultSampler(data, seed=5), num_workers=workers, collate_fn=av_collate)
        found.append([(preprocess(batch, training=True)['inputs'], batch['data_samples'].target.clone())
                      for batch in loader])
    assert len(found[0]) == 3
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_samples_of_a_batch_are_made_on_demand(tmp_path):
    write_features(tmp_path, store='out.h5')
    batch = features(tmp_path, store='out.h5', mode='batch', label_smooth=0.1).__getitems__([0, 1])
    samples = batch['data_samples']
    assert len(samples) == 2 and not samples._made
    assert batch_targets(samples, 4, False, torch.device('cpu')) is samples.target
    samples[1].set_pred_score(torch.ones(4))
    assert [s.get('pred_score') is not None for s in samples] == [False, True]
    assert samples[-1].sample_id == 'clip1' and samples[1].gt_label == (1, 2)


def test_items_of_one_shape_are_gathered_too(tmp_path):
    from avmm.datasets.feature_store import ArraySpec
    from avmm.datasets.feature_store_writer import FeatureStoreWriter
    write_features(tmp_path)
    rng = np.random.default_rng(1)
    with FeatureStoreWriter(tmp_path / 'fixed.h5', dict(audio=ArraySpec((9, 8)), visual=ArraySpec((5, 8)))) as writer:
        for i in range(8):
            writer.add(f'clip{i}', audio=rng.normal(size=(9, 8)), visual=rng.normal(size=(5, 8)))
    options = dict(store='fixed.h5', test_mode=True)
    batch = UAVMDataPreprocessor()(features(tmp_path, mode='batch', **options).__getitems__([3, 1]))['inputs']
    for place, index in enumerate((3, 1)):
        torch.testing.assert_close({m: x[place] for m, x in batch.items()},
                                   features(tmp_path, **options)[index]['inputs'])


def test_held_out_clips_and_cat_ids(tmp_path):
    write_features(tmp_path, labels=LABELS * 5)
    parts = [features(tmp_path, split=split, val_fraction=0.2) for split in ('train', 'val')]
    assert sorted(parts[0].names + parts[1].names) == sorted(f'clip{i}' for i in range(40))
    assert parts[0].labels is None and parts[0].get_cat_ids(0) == parts[0].table.of(0)
    assert features(tmp_path, indices=3).names == ['clip0', 'clip1', 'clip2']


def test_wrong_options_and_files_are_named(tmp_path):
    write_features(tmp_path, store='out.h5')
    with pytest.raises(ConfigError, match='pack_features.py'):
        features(tmp_path, mode='batch')
    with pytest.raises(ConfigError, match='mixup must lie in 0 to 1, got 2'):
        features(tmp_path, mixup=2)
    with pytest.raises(ConfigError, match="randomness='global' is the order of single clips"):
        features(tmp_path, store='out.h5', mode='batch', randomness='global')
    np.save(tmp_path / 'audio/clip0.npy', np.zeros(3))
    with pytest.raises(DataError, match=r'clip0.npy: features are numbers of shape \(rows, D\)'):
        features(tmp_path)[0]
    assert features(tmp_path, on_error='skip')[0]['data_samples'].replaced.endswith('got float64 (3,)')
    np.save(tmp_path / 'visual/clip1.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match='clip1.npy: cannot be read as a NumPy file'):
        features(tmp_path)[1]


@pytest.mark.parametrize(('value', 'version'), [
    (np.arange(6, dtype=np.float16).reshape(2, 3), (1, 0)), (np.asfortranarray(np.arange(6.).reshape(2, 3)), (1, 0)),
    (np.ones((2, 3), '>f4'), (1, 0)), (np.ones((2, 3), np.float32), (2, 0)),
])
def test_any_file_of_numpy_is_read(tmp_path, value, version):
    with open(tmp_path / 'a.npy', 'wb') as file:
        np.lib.format.write_array(file, value, version)
    read = read_features(str(tmp_path / 'a.npy'))
    assert read.dtype == value.dtype and np.array_equal(read, value)


@pytest.mark.parametrize('size', [0, 5, 100, 127, 128, 140])
def test_files_that_end_too_soon_are_named(tmp_path, size):
    np.save(tmp_path / 'a.npy', np.ones((2, 3)))
    whole = (tmp_path / 'a.npy').read_bytes()
    (tmp_path / 'a.npy').write_bytes(whole[:size])
    with pytest.raises(DataError, match='a.npy: cannot be read as a NumPy file'):
        read_features(str(tmp_path / 'a.npy'))


def test_absolute_paths_need_allowed_roots(tmp_path):
    write_features(tmp_path)
    inside = tmp_path / 'inside'
    inside.mkdir()
    entry = dict(labels='vgg_0', afeat=str(tmp_path / 'audio/clip0.npy'), vfeat=str(tmp_path / 'visual/clip0.npy'))
    write_list(inside, [entry], 'clips_2.json')
    with pytest.raises(DataError, match='allowed_roots'):
        features(inside)[0]
    assert len(features(inside, allowed_roots=[str(tmp_path)])[0]['inputs']) == 2


# Sounds ------------------------------------------------------------------------------------------------------------

def write_sounds(folder, rates=(16000, 16000, 8000)) -> None:
    rng = np.random.default_rng(0)
    for i, rate in enumerate(rates):
        soundfile.write(folder / f'{i}.wav', rng.normal(size=rate).astype(np.float32) * 0.1, rate)
    write_list(folder, [dict(labels=f'vgg_{i}', wav=f'{i}.wav') for i in range(len(rates))])


def test_sounds_become_filter_banks(tmp_path):
    write_sounds(tmp_path)
    data = UAVMAudioDataset(**LISTS, data_root=str(tmp_path), target_length=120, mean=-5.0, std=2.0)
    item = data[0]
    bank = item['inputs']['audio']
    assert bank.shape == (1, 128, 120) and bank.dtype == torch.float32
    # A second has 98 frames; what is padded is zero before it is normalised.
    torch.testing.assert_close(bank[..., 98:], torch.full((1, 128, 22), 2.5))
    assert item['data_samples'].audio_path == str(tmp_path / '0.wav')
    assert data[2]['inputs']['audio'].shape == (1, 128, 120)


def test_sounds_are_mixed_masked_and_rolled_by_their_draw(tmp_path):
    write_sounds(tmp_path)
    options = dict(**LISTS, data_root=str(tmp_path), target_length=100, mixup=1.0, freqm=48, timem=40, noise=True,
                   sample_rate=None, label_smooth=0.1)
    first, second = ([UAVMAudioDataset(**options)[SampleIndex(0, 1, 0, p)] for p in range(4)] for _ in range(2))
    torch.testing.assert_close([i['inputs'] for i in first], [i['inputs'] for i in second])
    assert all(abs(float(item['data_samples'].gt_score.sum()) - 1) < 1e-6 for item in first)


def test_the_list_of_labels_may_have_the_other_name(tmp_path):
    write_sounds(tmp_path)
    content = json.loads((tmp_path / 'clips.json').read_text())
    (tmp_path / 'clips.json').unlink()
    with pytest.raises(DataError, match='clips.json: the list of clips is missing'):
        UAVMAudioDataset(**LISTS, data_root=str(tmp_path))
    (tmp_path / 'clips_2.json').write_text(json.dumps(content))
    assert len(UAVMAudioDataset(**LISTS, data_root=str(tmp_path))) == 3
