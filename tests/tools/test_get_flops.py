from __future__ import annotations

import json

import pytest

TOOL = 'analysis_tools/get_flops.py'
# A 3x3 convolution to 8 channels: 2 operations a weight and position.
AUDIO = 2 * 9 * 1 * 8 * 8 * 8
VISUAL = 2 * 9 * 3 * 8 * 8 * 8 * 2
JOINT = 2 * 64 * 4


def test_figures_of_each_branch_at_the_shapes_of_the_config(run_tool, toy, tmp_path):
    out = tmp_path / 'flops.json'
    result = run_tool(TOOL, toy[0], '--out', out)
    assert result.status == 0, result.err
    figures = json.loads(out.read_text())
    assert figures['shapes'] == {'audio': [1, 8, 8], 'visual': [3, 2, 8, 8]}
    parts = figures['parts']
    assert parts['audio'] == {'flops': AUDIO, 'parameters': 72, 'trainable': 72}
    assert parts['visual'] == {'flops': VISUAL, 'parameters': 216, 'trainable': 216}
    assert parts['rest'] == {'flops': JOINT, 'parameters': 260, 'trainable': 260}
    assert parts['whole']['flops'] == AUDIO + VISUAL + JOINT
    assert 'audio (1, 8, 8)' in result.out


def test_shapes_can_be_given_and_no_data_are_read(run_tool, toy, tmp_path):
    out = tmp_path / 'flops.json'
    result = run_tool(TOOL, toy[0], '--shape', 'audio=1,16,8', 'visual=3,2,8,8', '--out', out, '--cfg-options',
                         'test_dataloader=')
    assert result.status == 0, result.err
    assert json.loads(out.read_text())['parts']['audio']['flops'] == 2 * AUDIO


@pytest.mark.parametrize(('extra', 'message'), [
    (['--shape', 'audio=1,x'], '--shape audio=1,x: write it as audio=1,257,188'),
    (['--shape', 'audio=1,0'], '--shape audio=1,0: every size must be at least 1'),
    (['--shape', 'depth=1,8,8'], "the model has no modality 'depth'; it has audio, visual"),
    (['--split', 'dev'], '--split dev: the config has no dev_dataloader; it has train, val, test'),
])
def test_errors_are_one_line(run_tool, toy, extra, message):
    result = run_tool(TOOL, toy[0], *extra)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')
