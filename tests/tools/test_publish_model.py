from __future__ import annotations

import hashlib

import pytest
import torch

TOOL = 'analysis_tools/publish_model.py'


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / 'epoch_3.pth'
    big = torch.rand(1000, 1000)
    torch.save(dict(state_dict={'fc.weight': big[:2, :2], 'bn.num_batches_tracked': torch.tensor(7)},
                    ema_state_dict={'module.fc.weight': torch.ones(2, 2), 'steps': torch.tensor(9)},
                    optimizer=dict(state={0: torch.rand(500)}), message_hub=dict(log=[1.0]), rng=torch.rand(5000),
                    meta=dict(epoch=3, classes=('cat', 'dog'), hostname='box', time='now')), path)
    return path


def test_keeps_weights_and_facts_alone_and_names_the_checksum(run_process, trained, tmp_path):
    result = run_process(TOOL, trained, '--out', tmp_path / 'out' / 'net.pth')
    assert result.status == 0, result.err
    [path] = (tmp_path / 'out').iterdir()
    assert path.name == f'net-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth'
    content = torch.load(path, weights_only=True)
    assert set(content) == {'state_dict', 'meta'}
    assert content['meta'] == {'epoch': 3, 'classes': ('cat', 'dog')}
    assert torch.equal(content['state_dict']['fc.weight'], torch.load(trained)['state_dict']['fc.weight'])
    assert path.stat().st_size < 5000
    assert path.name in result.out


def test_averaged_weights_in_half_precision(run_tool, trained):
    result = run_tool(TOOL, trained, '--key', 'ema_state_dict', '--half')
    assert result.status == 0, result.err
    [path] = trained.parent.glob('epoch_3_published-*.pth')
    state = torch.load(path, weights_only=True)['state_dict']
    assert set(state) == {'fc.weight'} and state['fc.weight'].dtype == torch.float16


def test_the_same_weights_give_the_same_name(run_tool, trained, tmp_path):
    for _ in range(2):
        assert run_tool(TOOL, trained, '--out', tmp_path / 'out' / 'net.pth').status == 0
    assert len(list((tmp_path / 'out').iterdir())) == 1


@pytest.mark.parametrize(('args', 'message'), [
    (['--key', 'teacher'], "holds no weights under 'teacher'; it has state_dict, ema_state_dict, optimizer"),
    (['--out', 'net.bin'], 'net.bin: must end in .pth or .pt'),
])
def test_errors_are_one_line(run_tool, trained, args, message):
    result = run_tool(TOOL, trained, *args)
    assert result.status == 2
    assert message in result.err and result.err.count('\n') == 1


def test_a_torn_checkpoint_leaves_nothing_behind(run_tool, trained):
    trained.write_bytes(trained.read_bytes()[:300])
    result = run_tool(TOOL, trained)
    assert result.status == 2 and 'epoch_3.pth is torn' in result.err
    assert [p.name for p in trained.parent.iterdir()] == ['epoch_3.pth']
