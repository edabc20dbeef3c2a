"""The plain reference of CMRAN computes what the published program computes, and reads the same items."""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from avmm.testing import run_warm

REPO = Path(__file__).resolve().parents[2]
CASES = REPO / 'tests' / 'data' / 'parity' / 'cmran'
NAMES = {'supv': 'supervised', 'weak': 'weak'}


def module_at(path):
    spec = importlib.util.spec_from_file_location(f'tested_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def plain():
    return module_at(REPO / 'benchmarks' / 'ave_cmran.py')


@pytest.fixture(scope='module')
def golden():
    return module_at(REPO / 'tests' / 'parity' / 'golden.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('sets') / 'ave'
    run_warm([REPO / 'tools/dataset_converters/ave_synthetic.py', '--out', out, '--videos', 40, '--grid', 1,
              '--background', 3]).check_returncode()
    return out


def filled(model, meta, golden):
    state = golden.state_dict(meta['state'], meta['seed'])
    model.double().load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    return model


@pytest.mark.parametrize('kind', ['supv', 'weak'])
def test_forward(plain, golden, kind):
    meta, inputs, expected = golden.load(CASES / f'{kind}_forward_grid.npz')
    model = filled(plain.PlainCMRAN(NAMES[kind]), meta, golden).eval()
    with torch.no_grad():
        got = model(*(torch.as_tensor(inputs[m]).double() for m in ('visual', 'audio')))
    names = ('is_event', 'class_logits') if kind == 'supv' else ('is_event', 'raw_logits', 'event_scores')
    for name, values in zip(names, got, strict=True):
        np.testing.assert_allclose(values, expected[name], atol=1e-9, rtol=1e-9, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['supv', 'weak'])
def test_five_steps(plain, golden, folder, kind):
    meta, inputs, expected = golden.load(CASES / f'{kind}_traj.npz')
    training = plain.Training(str(folder), NAMES[kind])
    filled(training.model, meta, golden).train()
    for part in training.model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0
        elif isinstance(part, nn.MultiheadAttention):
            part.dropout = 0
    losses = [training.step([torch.as_tensor(inputs[f'{name}.{i}']) for name in ('visual', 'audio', 'labels')])
              for i in range(5)]
    np.testing.assert_allclose(losses, expected['losses'], rtol=1e-9)


@pytest.mark.parametrize('kind', ['supv', 'weak'])
def test_accuracy(plain, golden, kind):
    _, inputs, expected = golden.load(CASES / f'{kind}_metric.npz')
    outputs = [torch.as_tensor(inputs[name]) for name in ('is_event', 'class_logits')]
    assert plain.accuracy_of(outputs, torch.as_tensor(inputs['labels'])) == pytest.approx(float(expected['acc']))


def test_items_are_rows_of_the_files(plain, folder):
    with h5py.File(folder / 'test_order.h5') as order, h5py.File(folder / 'visual_feature.h5') as visual:
        rows, features = order['order'][()], visual['avadataset'][()]
    test = plain.PlainAVE(str(folder), 'test')
    item = test[2]
    assert len(test) == len(rows) == 4
    assert np.array_equal(item[0], features[rows[2]]) and item[0].dtype == np.float64 and item[2].shape == (10, 29)


def test_weak_training_adds_the_background_videos(plain, folder):
    loader = plain.build_loader(str(folder), 'train', 'weak', batch_size=7)
    labels = torch.cat([batch[2] for batch in loader])
    assert labels.shape == (32 + 3, 29) and labels[:, 28].sum() == 3 and len(loader) == 5
    assert plain.PlainAVE(str(folder), 'test', 'weak')[0][2].shape == (10, 29)


def test_training_depends_on_the_seed_alone(plain, folder):
    runs = [plain.train(seed, 1, str(folder), dtype='float32') for seed in (3, 3)]
    assert runs[0] == runs[1] and 0 <= runs[0][0] <= 100
