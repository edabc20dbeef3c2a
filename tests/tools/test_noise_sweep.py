from __future__ import annotations

import csv

import pytest
from PIL import Image

TOOL = 'analysis_tools/noise_sweep.py'


@pytest.fixture
def sweep(run_tool, toy, tmp_path):
    """``sweep(args...)`` runs the tool with accuracies of all modalities: the result, and the rows of the table."""
    config = tmp_path / 'accuracy.py'
    config.write_text(f"_base_ = '{toy[0]}'\ntest_evaluator = dict(_delete_=True, type='AVAccuracy', topk=(1, 2))\n")

    def run(*args, name='sweep'):
        table = tmp_path / f'{name}.csv'
        result = run_tool(TOOL, config, toy[1], '--csv', table, '--out', table.with_suffix('.png'), *args)
        rows = list(csv.DictReader(table.open())) if table.exists() else []
        return result, {(row['modality'], row['snr'], row['key']): row for row in rows}

    return run


def test_noise_reaches_the_named_modality_alone(sweep, tmp_path):
    result, rows = sweep('--snr', 60, -60, '--repeats', 2, '--device', 'cpu')
    assert result.status == 0, result.err
    assert {key[:2] for key in rows} == {('none', '')} | {(m, s) for m in ('audio', 'visual') for s in ('60', '-60')}
    clean = {name: float(rows['none', '', f'accuracy/{name}']['mean']) for name in ('joint', 'audio', 'visual')}
    for one, other in (('audio', 'visual'), ('visual', 'audio')):
        hit, spared = rows[one, '-60', f'accuracy/{one}'], rows[one, '-60', f'accuracy/{other}']
        assert (float(spared['mean']), float(spared['deviation'])) == (clean[other], 0)
        assert (hit['draws'], rows['none', '', 'accuracy/joint']['draws']) == ('2', '1')
        assert float(rows[one, '60', f'accuracy/{one}']['mean']) == clean[one]
    assert float(rows['audio', '-60', 'accuracy/audio']['mean']) != clean['audio']
    assert 'accuracy/joint_top2' not in result.out
    with Image.open(tmp_path / 'sweep.png') as picture:
        assert picture.width > picture.height and len(set(picture.convert('L').tobytes())) > 20


def test_the_noise_is_that_of_batch_noise_and_repeats(sweep, monkeypatch):
    from avmm.models.data_preprocessors.batch_noise import BatchNoise
    calls, original = [], BatchNoise.__call__
    monkeypatch.setattr(BatchNoise, '__call__',
                        lambda self, *args: calls.append((self.modality, self.snr)) or original(self, *args))
    _, first = sweep('--snr', 0, '--modality', 'audio', '--seed', 3)
    _, second = sweep('--snr', 0, '--modality', 'audio', '--seed', 3, name='again')
    assert calls == [('audio', 0.0)] * 4
    assert first == second


def test_the_numbers_are_those_of_the_eval_augments(sweep, toy):
    import torch

    from avmm.apis import init_model
    from avmm.utils.config import load_config
    from avmm.utils.tooling import build_loader
    _, rows = sweep('--snr', -3, '--modality', 'visual', '--seed', 5)
    cfg = load_config(toy[0])
    cfg.model.data_preprocessor = dict(type='AVDataPreprocessor', eval_augments=[
        dict(type='BatchNoise', snr=-3.0, modality='visual')])
    model, hits = init_model(cfg, toy[1]), 0
    for number, batch in enumerate(build_loader(cfg, 'test', 5)):
        torch.manual_seed((5 * 1_000_003 + number) * 1009)
        hits += sum(int(sample.pred_label) == sample.gt_label for sample in model.test_step(batch))
    assert float(rows['visual', '-3', 'accuracy/joint']['mean']) == pytest.approx(100 * hits / 16)


def test_whole_numbers_are_refused():
    import runpy
    from pathlib import Path

    import torch
    tool = runpy.run_path(str(Path(__file__).resolve().parents[2] / 'tools' / TOOL))
    halves = tool['_as_floats'](dict(audio=torch.ones(2).half(), visual=1), 'audio')
    assert halves['audio'].dtype == torch.float32 and halves['visual'] == 1
    with pytest.raises(tool['ConfigError'], match='--modality audio: the model takes it as whole numbers'):
        tool['_as_floats'](dict(audio=[torch.ones(2, dtype=torch.uint8)]), 'audio')


def test_an_earlier_table_is_drawn_beside(sweep, tmp_path):
    sweep('--snr', 0, '--name', 'first, of two')
    alone = (tmp_path / 'sweep.png').read_bytes()
    result, _ = sweep('--snr', 0, '--name', 'second', '--with', tmp_path / 'sweep.csv', name='both')
    assert result.status == 0, result.err
    assert (tmp_path / 'both.png').read_bytes() != alone


def test_errors_are_one_line(sweep, tmp_path):
    (tmp_path / 'wrong.csv').write_text('a,b\n')
    for args, words in [
        (('--modality', 'touch'), '--modality touch: the model has audio, visual'),
        (('--keys', 'mAP/joint', '--snr', 0), '--keys mAP/joint: the metrics are accuracy/joint'),
        (('--repeats', 0), '--repeats 0: must be 1 or more'),
        (('--with', tmp_path / 'wrong.csv'), 'wrong.csv: not a table of noise_sweep.py'),
        (('--split', 'best'), '--split best: use one of train, val, test'),
    ]:
        result, rows = sweep(*args)
        assert result.status == 2 and words in result.err and result.err.count('\n') == 1, result.err
        assert rows == {}
