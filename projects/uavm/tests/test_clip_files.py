"""Lists, classes and weights of UAVM."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from avmm.datasets.feature_store import FeatureStore
from avmm.testing import run_warm
from avmm.utils import DataError
from projects.uavm.tests.uavm_files import LABELS, write_features, write_list
from projects.uavm.uavm.datasets import class_balance_weights, read_clips, read_labels, weight_path
from projects.uavm.uavm.datasets.sampler import UAVMWeightedSampler
from projects.uavm.uavm.datasets.targets import LabelTable

REPO = Path(__file__).resolve().parents[3]


def run_tool(name: str, *args) -> subprocess.CompletedProcess:
    return run_warm([REPO / name, *args])


def test_classes_are_read_with_their_names(tmp_path):
    write_list(tmp_path, [])
    labels = read_labels(tmp_path / 'labels.csv')
    assert len(labels) == 4 and labels.names[2] == 'class 2, and more'
    assert labels.numbers('vgg_2,vgg_0,vgg_2', 'clip') == [2, 0, 2]
    with pytest.raises(DataError, match="train.json: clip 3: the label 'vgg_9' is not among the 4 classes"):
        labels.numbers('vgg_9', 'train.json: clip 3')


@pytest.mark.parametrize(('text', 'message'), [
    ('a,b\n1,2\n', 'begins with the line index,mid,display_name'),
    ('index,mid,display_name\n0,x,X\n2,y,Y\n', r'labels.csv:3: index .2.; the 2 classes are numbered from 0'),
    ('index,mid,display_name\n0,x,X\n1,x,Y\n', 'every class needs a mid of its own')])
def test_wrong_label_files_are_refused(tmp_path, text, message):
    (tmp_path / 'labels.csv').write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / 'labels.csv')


@pytest.mark.parametrize(('text', 'message'), [
    ('{', 'cannot be read as json'), ('[]', 'has the form'), ('{"data": []}', 'at least one clip'),
    ('{"data": [{"labels": "a", "wav": "x"}, {"labels": ""}]}', 'clip 1 needs labels, wav')])
def test_wrong_lists_are_refused(tmp_path, text, message):
    (tmp_path / 'clips.json').write_text(text)
    with pytest.raises(DataError, match=message):
        read_clips(tmp_path / 'clips.json', ['labels', 'wav'])


def test_targets_set_labels_and_add_mixed_ones():
    table = LabelTable([[0], [1, 2], [3, 3], [0]], 4, smooth=0.1)
    plain = table.targets([1, 2])
    np.testing.assert_allclose(plain, [[.025, .9, .9, .025], [.025, .025, .025, .9]])
    # A label that both clips have, and one that a clip names twice, are added.
    mixed = table.targets([0, 2, 1], [3, 2], [0.25, 0.5], places=[0, 1])
    np.testing.assert_allclose(mixed, [[.925, .025, .025, .025], [.025, .025, .025, 1.825], [.025, .9, .9, .025]],
                               rtol=1e-6)


def test_weights_go_by_how_often_labels_occur():
    weights = class_balance_weights([[0], [0, 1]])
    np.testing.assert_allclose(weights, [1000 / 2.01, 1000 / 2.01 + 1000 / 1.01])


def test_weight_tool_writes_beside_the_list(tmp_path):
    write_features(tmp_path)
    args = ['--label_indices_path', tmp_path / 'labels.csv', '--datafile_path', tmp_path / 'clips.json']
    done = run_tool('projects/uavm/tools/make_weights.py', *args)
    assert done.returncode == 0, done.stderr
    assert len(np.loadtxt(weight_path(tmp_path / 'clips.json'))) == len(LABELS)
    wrong = run_tool('projects/uavm/tools/make_weights.py', '--dataset', 'vgg', *args)
    assert wrong.returncode == 2 and '4 classes, vgg has 309' in wrong.stderr and wrong.stderr.count('\n') == 1


def test_sampler_draws_what_torch_draws_and_deals_it_out(tmp_path):
    import torch
    weights = torch.arange(1.0, 21.0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    official = torch.utils.data.WeightedRandomSampler(weights, 20, replacement=True, generator=generator)
    epochs = [list(official), list(official)]
    ours = UAVMWeightedSampler(range(20), weights=weights.tolist(), seed=3)
    assert [ours.order(0).tolist(), ours.order(1).tolist()] == epochs
    ranks = [UAVMWeightedSampler(range(20), weights=weights.tolist(), seed=3) for _ in range(2)]
    for rank, sampler in enumerate(ranks):
        sampler.rank, sampler.world_size = rank, 2
    dealt = [int(i) for pair in zip(*ranks, strict=True) for i in pair]
    assert dealt == epochs[0]


def test_path_tool_keeps_labels_and_rewrites_files(tmp_path):
    for name in ('train_vgg_convnext', 'test_vgg_convnext_2'):
        write_list(tmp_path, [dict(labels='vgg_1', afeat='/far/away/a.b/x.y.npy', vfeat='/far/v/x.y.npy', wav='w')],
                   f'{name}.json')
    done = run_tool('projects/uavm/tools/adapt_paths.py', tmp_path, '--features', tmp_path / 'vgg_feat',
                    '--relative-to', tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ('train_vgg_convnext', 'test_vgg_convnext_2'):
        text = (tmp_path / f'{name}.json').read_text()
        assert json.loads(text)['data'] == [dict(labels='vgg_1', afeat='vgg_feat/audio_feat_convnext_2/x.y.npy',
                                                 vfeat='vgg_feat/video_feat_convnext_2/x.y.npy')]
        assert text.startswith('{\n "data"')


@pytest.mark.parametrize('workers', [0, 2])
def test_features_are_packed(tmp_path, workers):
    made = write_features(tmp_path)
    done = run_tool('tools/dataset_converters/pack_features.py', tmp_path / 'out.h5', '--list',
                    tmp_path / 'clips.json', '--data-root', tmp_path, '--arrays', 'audio=afeat', 'visual=vfeat',
                    '--workers', workers, '--norms')
    assert done.returncode == 0, done.stderr
    store = FeatureStore(tmp_path / 'out.h5')
    assert store.keys == [f'clip{i}' for i in range(len(made))]
    np.testing.assert_array_equal(store['audio'][3], made[3]['audio'].astype(np.float16))
    np.testing.assert_allclose(store['visual_norm'][3], np.linalg.norm(made[3]['visual'].astype(np.float32), axis=1))
    again = run_tool('tools/dataset_converters/pack_features.py', tmp_path / 'out.h5', '--list',
                     tmp_path / 'clips.json', '--data-root', tmp_path, '--arrays', 'audio=afeat', 'visual=vfeat')
    assert 'complete, 8 items' in again.stdout


def test_damaged_features_stop_packing_or_are_left_out(tmp_path):
    write_features(tmp_path)
    (tmp_path / 'audio/clip2.npy').write_bytes(b'')
    command = ['tools/dataset_converters/pack_features.py', tmp_path / 'out.h5', '--arrays',
               f'audio={tmp_path / "audio"}', f'visual={tmp_path / "visual"}', '--workers', 0]
    stopped = run_tool(*command)
    assert stopped.returncode == 2 and 'clip2.npy: cannot be read' in stopped.stderr
    assert not (tmp_path / 'out.h5').exists()
    done = run_tool(*command, '--skip')
    # What was packed before the command stopped is not read again.
    assert done.returncode == 0 and 'are there already' in done.stdout, done.stderr
    assert 'clip2' not in FeatureStore(tmp_path / 'out.h5').keys
    assert 'clip2' in json.loads((tmp_path / 'out.h5.report.json').read_text())['left_out']


def test_paths_of_a_list_stay_inside(tmp_path):
    inside = tmp_path / 'inside'
    inside.mkdir()
    write_features(tmp_path)
    write_list(inside, [dict(labels='vgg_0', afeat=str(tmp_path / 'audio/clip0.npy'),
                             vfeat=str(tmp_path / 'visual/clip0.npy'))])
    command = ['tools/dataset_converters/pack_features.py', inside / 'out.h5', '--list', inside / 'clips.json',
               '--data-root', inside, '--arrays', 'audio=afeat', '--workers', 0]
    refused = run_tool(*command)
    assert refused.returncode == 2 and 'allowed_roots' in refused.stderr
    assert run_tool(*command, '--allowed-roots', tmp_path).returncode == 0
