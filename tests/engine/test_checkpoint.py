"""Checkpoints are safe, whole or absent, and say clearly what is wrong with them."""
from __future__ import annotations

import errno
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from avmm.engine.checkpoint import checkpoint_candidates, load_checkpoint, load_state_dict, plain, save_checkpoint
from avmm.engine.rng import collect_rng_state, restore_rng_state
from avmm.testing import build_toy_runner, run_warm, toy_config
from avmm.utils import CheckpointError, ConfigError
from avmm.utils.cli import one_line


class Hostile:
    """Makes a file while it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.system, (f'touch {self.target}', )


def test_round_trip_is_plain(tmp_path):
    content = dict(a=np.float32(1.5), b=np.arange(3), c=OrderedDict(w=torch.ones(2)), d=(1, 'x', None), e={4, 5},
                   f=True, g=torch.float16)
    save_checkpoint(content, tmp_path / 'x.pth')
    back = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert back['a'] == 1.5 and type(back['a']) is float
    assert back['b'].tolist() == [0, 1, 2]
    assert isinstance(back['c'], OrderedDict)
    assert back['d'] == (1, 'x', None) and back['e'] == {4, 5} and back['f'] is True and back['g'] == torch.float16
    assert [p.name for p in tmp_path.iterdir()] == ['x.pth']


def test_what_is_not_plain_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r'checkpoint\.hooks\[1\]\.f is a function'):
        save_checkpoint(dict(hooks=[1, dict(f=one_line)]), tmp_path / 'x.pth')
    assert plain(dict(keep=1, go=one_line, inner=[2, one_line]), drop=True) == dict(keep=1, inner=[2])


@pytest.mark.parametrize('as_pickle', [False, True], ids=['zip', 'pickle'])
def test_hostile_checkpoint_runs_nothing(tmp_path, as_pickle):
    path, target = tmp_path / 'evil.pth', tmp_path / 'ran'
    content = dict(state_dict=dict(w=torch.ones(1)), meta=Hostile(target))
    if as_pickle:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match='evil.pth') as caught:
        load_checkpoint(path)
    assert not target.exists()
    assert '\n' not in str(caught.value)
    if not as_pickle:
        assert '--trust-checkpoint' in str(caught.value)


def test_foreign_checkpoint_names_the_remedy(tmp_path):
    from mmengine.logging import HistoryBuffer
    torch.save(dict(state_dict={}, message_hub=dict(log=HistoryBuffer([1.0], [1]))), tmp_path / 'old.pth')
    with pytest.raises(CheckpointError, match='more than plain data .*HistoryBuffer.* pass --trust-checkpoint'):
        load_checkpoint(tmp_path / 'old.pth')
    trusted = load_checkpoint(tmp_path / 'old.pth', trust=True)
    assert trusted['message_hub']['log'].current() == 1.0


@pytest.mark.parametrize('size', [0, 1, 2, 100, 0.5, -1])
def test_torn_file(tmp_path, size):
    path = tmp_path / 'torn.pth'
    save_checkpoint(dict(state_dict=dict(w=torch.randn(500))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:int(size * len(whole)) if isinstance(size, float) else size])
    with pytest.raises(CheckpointError, match=r'torn\.pth is torn') as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)


def test_absent_and_other_files(tmp_path):
    with pytest.raises(CheckpointError, match='gone.pth: no such checkpoint'):
        load_checkpoint(tmp_path / 'gone.pth')
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        load_checkpoint(tmp_path)
    (tmp_path / 'text.pth').write_text('epoch,loss\n1,0.5\n')
    with pytest.raises(CheckpointError, match='text.pth is torn or not a checkpoint'):
        load_checkpoint(tmp_path / 'text.pth')
    torch.save(torch.ones(2), tmp_path / 'tensor.pth')
    with pytest.raises(CheckpointError, match='holds a Tensor, not the dict'):
        load_checkpoint(tmp_path / 'tensor.pth')


def test_full_disk_leaves_what_was_saved(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    save_checkpoint(dict(n=1), path)
    def full(fd):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(CheckpointError, match=r'x\.pth could not be written \(No space left on device\).*free some'):
        save_checkpoint(dict(n=2), path)
    assert load_checkpoint(path)['n'] == 1
    assert [p.name for p in tmp_path.iterdir()] == ['x.pth']


def test_a_write_that_breaks_off_in_the_middle(tmp_path):
    """The system refuses to let the file grow, as a quota does, while torch writes tensors."""
    folder, script = tmp_path / 'saved', tmp_path / 'script.py'
    folder.mkdir()
    script.write_text('import resource, torch\n'
                      'from avmm.engine.checkpoint import save_checkpoint\n'
                      'from avmm.utils import CheckpointError\n'
                      f'path = {str(folder / "x.pth")!r}\n'
                      'save_checkpoint(dict(n=1), path)\n'
                      'resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n'
                      'try:\n'
                      '    save_checkpoint(dict(w=[torch.randn(5000) for _ in range(4)]), path)\n'
                      'except CheckpointError as error:\n'
                      '    print(error)\n')
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2]))
    done = run_warm([script], env)
    assert done.returncode == 0, done.stderr
    assert 'x.pth could not be written (File too large)' in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert load_checkpoint(folder / 'x.pth')['n'] == 1
    assert [p.name for p in folder.iterdir()] == ['x.pth']


def test_another_model_is_one_line(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = nn.Sequential(nn.Linear(2, 4)).state_dict() | {'extra.weight': torch.ones(1)}
    with pytest.raises(CheckpointError) as caught:
        load_state_dict(model, state, 'other.pth')
    assert str(caught.value) == (
        'other.pth does not fit Sequential: 2 missing (first 1.weight), 1 unexpected (first extra.weight), '
        '2 of another shape (first 0.weight: (4, 2) in the file, (3, 2) in the model); '
        'is it the checkpoint of this config?')


def test_lenient_load_and_prefix():
    model = nn.Linear(2, 1)
    state = {f'module.{k}': v + 1 for k, v in model.state_dict().items()}
    load_state_dict(model, state)
    assert torch.equal(model.weight, state['module.weight'])
    load_state_dict(model, {'weight': torch.zeros(1, 2)}, strict=False)
    assert model.weight.abs().sum() == 0
    with pytest.raises(CheckpointError, match='1 missing'):
        load_state_dict(model, {'weight': torch.zeros(1, 2)})


def test_candidates_survive_a_move(tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth', 'best_acc_epoch_1.pth'):
        save_checkpoint(dict(n=1), tmp_path / name)
    (tmp_path / 'last_checkpoint').write_text('/gone/elsewhere/epoch_1.pth')
    assert [p.name for p in checkpoint_candidates(tmp_path)] == ['epoch_1.pth', 'epoch_2.pth']


def test_rng_round_trip(tmp_path):
    import random
    save_checkpoint(collect_rng_state(), tmp_path / 'rng.pth')
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    restore_rng_state(load_checkpoint(tmp_path / 'rng.pth'))
    assert drawn == (random.random(), np.random.rand(), torch.rand(1).item())


def test_checkpoint_of_a_run_is_safe_and_names_what_made_it(tmp_path):
    build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1))).train()
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert {'meta', 'state_dict', 'message_hub', 'optimizer', 'param_schedulers', 'rng', 'loop'} <= set(content)
    assert content['meta']['epoch'] == 1 and content['meta']['seed'] == 7
    assert content['meta']['dataset_meta']['classes'][0] == 'class_0'
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_1.pth')


def test_load_from_another_model(tmp_path):
    build_toy_runner(toy_config(tmp_path / 'a', train_cfg=dict(max_epochs=1))).train()
    path = str(tmp_path / 'a' / 'epoch_1.pth')
    runner = build_toy_runner(toy_config(tmp_path / 'b', load_from=path, **{'model.width': 4}))
    with pytest.raises(CheckpointError, match='does not fit ToyAVModel: .* of another shape'):
        runner.test()
    with pytest.raises(CheckpointError, match='weights alone'):
        weights = load_checkpoint(path)['state_dict']
        save_checkpoint(weights, tmp_path / 'weights.pth')
        build_toy_runner(toy_config(tmp_path / 'c', load_from=str(tmp_path / 'weights.pth'), resume=True)).train()


def test_trusted_mmengine_checkpoint_resumes(tmp_path):
    from mmengine.runner import Runner
    cfg = toy_config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1))
    cfg.train_cfg.pop('type')
    cfg.default_scope = 'mmengine'
    cfg.model.type = 'avmm.ToyAVModel'
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.type = 'avmm.ToyAVDataset'
        loader.collate_fn = dict(type='avmm.av_collate')
    cfg.val_evaluator.type = cfg.test_evaluator.type = 'avmm.ToyAccuracy'
    Runner.from_cfg(cfg).train()
    with pytest.raises(CheckpointError, match='trust-checkpoint'):
        build_toy_runner(toy_config(tmp_path, resume=True, load_from=str(tmp_path / 'epoch_1.pth'))).train()
    runner = build_toy_runner(toy_config(tmp_path, resume=True, load_from=str(tmp_path / 'epoch_1.pth'),
                                         trust_checkpoint=True))
    runner.train()
    assert runner.iter == 12


def test_work_directory_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    message = 'the work directory .*file/run cannot be written .Not a directory.; choose another with --work-dir'
    with pytest.raises(ConfigError, match=message):
        build_toy_runner(toy_config(tmp_path / 'file' / 'run'))


def test_full_disk_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    from avmm.engine import checkpoint as module
    runner = build_toy_runner(toy_config(tmp_path, **{'default_hooks.checkpoint.max_keep_ckpts': 1}))
    real, calls = os.fsync, []

    def fsync(fd):
        calls.append(fd)
        # The first epoch syncs its checkpoint, last_checkpoint and the folder twice.
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(fd)

    monkeypatch.setattr(module.os, 'fsync', fsync)
    with pytest.raises(CheckpointError, match=r'epoch_2\.pth could not be written \(No space left on device\)'):
        runner.train()
    assert load_checkpoint(tmp_path / 'epoch_1.pth')['meta']['epoch'] == 1
    assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['epoch_1.pth']
    assert not list(tmp_path.glob('.*.tmp'))
