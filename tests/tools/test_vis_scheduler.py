from __future__ import annotations

import csv

import pytest

TOOL = 'analysis_tools/vis_scheduler.py'
CONFIG = """
default_scope = 'avmm'
train_cfg = dict(type='EpochTrainLoop', max_epochs=4)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
                     paramwise_cfg=dict(bias_lr_mult=2.0))
param_scheduler = [dict(type='LinearLR', start_factor=0.5, begin=0, end=5, by_epoch=False),
                   dict(type='MultiStepLR', milestones=[2], gamma=0.1, by_epoch=True)]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return path


def values_of(path):
    return [float(row['lr']) for row in csv.DictReader(path.open())]


def test_values_follow_the_schedule(run_tool, config, tmp_path):
    picture, numbers = tmp_path / 'lr.png', tmp_path / 'lr.csv'
    result = run_tool(TOOL, config, '--iters-per-epoch', 10, '--out', picture, '--csv', numbers)
    assert result.status == 0, result.err
    values = values_of(numbers)
    assert len(values) == 40
    assert values[0] == pytest.approx(0.05)
    assert values[4:20] == pytest.approx([0.1] * 16)
    assert values[20:] == pytest.approx([0.01] * 20)
    assert picture.read_bytes()[:4] == b'\x89PNG'
    assert '0.05 at the start, 0.1 at most, 0.01 at the end of 40 iterations' in result.out


def test_a_run_by_iterations_and_an_epoch_schedule_made_by_iterations(run_tool, config, tmp_path):
    numbers = tmp_path / 'lr.csv'
    result = run_tool(
        TOOL, config, '--out', tmp_path / 'lr.png', '--csv', numbers, '--iters-per-epoch', 5, '--cfg-options',
        'param_scheduler=', 'train_cfg.max_epochs=0', 'train_cfg.max_iters=7')
    assert result.status == 0, result.err
    assert values_of(numbers) == [0.1] * 7


def test_conversion_to_iterations_uses_the_epoch_length(run_tool, config, tmp_path):
    config.write_text(CONFIG.split('param_scheduler')[0] + "param_scheduler = dict(type='CosineAnnealingLR', T_max=4, "
                      'by_epoch=True, convert_to_iter_based=True)\n')
    numbers = tmp_path / 'lr.csv'
    result = run_tool(TOOL, config, '--iters-per-epoch', 10, '--out', tmp_path / 'lr.png', '--csv', numbers)
    assert result.status == 0, result.err
    values = values_of(numbers)
    assert values[20] == pytest.approx(0.05)
    assert all(b < a for a, b in zip(values, values[1:], strict=False))


@pytest.mark.parametrize(('extra', 'message'), [
    (['--iters-per-epoch', '0'], '--iters-per-epoch 0: must be at least 1'),
    (['--out', 'lr.doc'], 'lr.doc: must end in .png or .pdf or .svg'),
    (['--cfg-options', 'train_cfg.max_epochs=0'],
     'train_cfg names neither max_epochs nor max_iters, so the run has no length'),
    (['--cfg-options', 'optim_wrapper.optimizer='],
     'optim_wrapper.optimizer is missing, so there is no learning rate to draw'),
])
def test_errors_are_one_line(run_tool, config, extra, message):
    result = run_tool(TOOL, config, *extra)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')
