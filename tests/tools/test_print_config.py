from __future__ import annotations

import pytest

TOOL = 'misc/print_config.py'


@pytest.fixture
def configs(tmp_path):
    (tmp_path / 'base.py').write_text("model = dict(type='Net', channels=[8, 16])\nlr = 0.1\n")
    child = tmp_path / 'child.py'
    child.write_text("_base_ = 'base.py'\nmodel = dict(depth=3)\n")
    return tmp_path / 'base.py', child


def test_prints_after_inheritance_and_options(run_process, configs):
    result = run_process(TOOL, configs[1], '--cfg-options', 'lr=0.5')
    assert result.status == 0, result.err
    scope = {}
    exec(result.out, scope)
    assert scope['model'] == {'type': 'Net', 'channels': [8, 16], 'depth': 3}
    assert scope['lr'] == 0.5


def test_diff_lists_changed_keys_alone(run_tool, configs):
    base, child = configs
    result = run_tool(TOOL, child, '--diff', base, '--cfg-options', 'model.channels=[8,32]')
    assert result.out.splitlines() == ['- model.channels.1 = 16', '+ model.channels.1 = 32', '+ model.depth = 3']
    assert run_tool(TOOL, base, '--diff', base).out.strip() == 'the two configs are the same'


def test_out_can_be_read_again(run_tool, configs, tmp_path):
    out = tmp_path / 'whole.py'
    assert run_tool(TOOL, configs[1], '--out', out).status == 0
    assert run_tool(TOOL, out, '--diff', configs[1]).out.strip() == 'the two configs are the same'


def test_missing_config_is_one_line(run_tool):
    result = run_tool(TOOL, 'nowhere.py')
    assert (result.status, result.err.strip()) == (2, 'error: nowhere.py: no such config file')


def test_check_lists_every_mistake(run_tool, toy, tmp_path):
    result = run_tool(TOOL, toy[0], '--check')
    assert (result.status, result.out.strip()) == (0, f'{toy[0]}: nothing wrong'), result.err
    result = run_tool(TOOL, toy[0], '--check', '--cfg-options', 'model.widht=3',
                      'test_dataloader.dataset.type=ToyAVDatset')
    assert result.status == 1
    lines = result.err.splitlines()
    assert len(lines) == 2 and 'widht' in lines[0] + lines[1] and 'ToyAVDataset' in lines[0] + lines[1]
    assert '2 wrong' in result.out
