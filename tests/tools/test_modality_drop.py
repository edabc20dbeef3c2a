from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest
import torch

TOOL = 'analysis_tools/modality_drop.py'


def load_tool():
    path = Path(__file__).resolve().parents[2] / 'tools' / TOOL
    spec = importlib.util.spec_from_file_location('modality_drop', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_sided(toy):
    """A model that listens to audio alone: it finds each class by the prototype of its spectrogram."""
    from avmm.testing import ToyAVDataset, ToyAVModel
    config, checkpoint = toy
    data = ToyAVDataset(16, noise=0.5)
    model = ToyAVModel(width=8).eval()
    with torch.no_grad():
        x = torch.from_numpy(data.prototypes['audio'])
        feats = model.encoders['audio'](x)
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
        model.classifier.weight[:, :feats.shape[1]] = torch.linalg.pinv(feats).T
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return config, checkpoint


def test_a_model_that_only_listens_loses_nothing_with_its_eyes(run_tool, one_sided, tmp_path):
    out = tmp_path / 'drop.csv'
    result = run_tool(TOOL, *one_sided, '--how', 'zeros', '--out', out)
    assert result.status == 0, result.err
    rows = {row['inputs']: float(row['accuracy']) for row in csv.DictReader(out.open())}
    assert list(rows) == ['all', 'zeroed audio', 'zeroed visual']
    assert rows['zeroed visual'] == rows['all'] > 60
    assert rows['zeroed audio'] == 25


def test_more_noise_hurts_more_and_the_seed_repeats_it(run_tool, one_sided, tmp_path):
    tables = []
    for name in 'ab':
        out = tmp_path / f'{name}.csv'
        assert run_tool(TOOL, *one_sided, '--how', 'noise', '--snr', 40, -40, '--out', out).status == 0
        tables.append(out.read_text())
    assert tables[0] == tables[1]
    rows = {row['inputs']: float(row['accuracy']) for row in csv.DictReader(tables[0].splitlines())}
    assert rows['audio at 40 dB'] == rows['all'] > rows['audio at -40 dB']
    assert rows['visual at -40 dB'] == rows['all']


def test_disturb_leaves_the_other_modality_and_the_given_inputs_alone():
    disturb = load_tool().disturb
    inputs = dict(audio=torch.arange(4.0)[:, None], visual=torch.ones(4, 2), present=dict(audio=torch.ones(4).bool()))
    dropped = disturb(inputs, 'audio', 'drop', 0, None)
    assert set(dropped) == {'visual', 'present'} and dropped['present'] == {}
    shuffled = disturb(inputs, 'audio', 'shuffle', 0, torch.Generator().manual_seed(0))['audio']
    assert (shuffled != inputs['audio']).all() and shuffled.sum() == inputs['audio'].sum()
    x = torch.ones(400, 100)
    noisy = disturb(dict(audio=x), 'audio', 'noise', 10, torch.Generator().manual_seed(0))['audio']
    assert (noisy - x).square().mean() == pytest.approx(0.1, rel=0.02)
    assert set(inputs) == {'audio', 'visual', 'present'} and set(inputs['present']) == {'audio'}


def test_a_single_modality_is_refused_in_one_line(run_tool, toy, tmp_path):
    from avmm.testing import ToyAVModel
    torch.save(dict(state_dict=ToyAVModel(width=8, modalities=['audio']).state_dict()), toy[1])
    result = run_tool(TOOL, *toy, '--cfg-options', 'model.modalities=[audio]')
    assert (result.status, result.err.strip()) == (
        2, 'error: the model has one modality, audio; there is nothing to compare')
