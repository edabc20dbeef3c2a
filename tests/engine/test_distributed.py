"""Two ranks on CPU: one command, one answer, and no rank that waits for ever."""
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from avmm.engine.checkpoint import load_checkpoint
from avmm.engine.distributed import init_distributed
from avmm.testing import build_toy_runner, rank_environments, run_ranks, start_warm, toy_config
from avmm.utils import ConfigError

SCRIPT = Path(__file__).with_name('toy_process.py')
TWO = {'train_dataloader.batch_size': 4, 'model.dropout': 0.5,
       'default_hooks.checkpoint': dict(type='CheckpointHook', interval=3, by_epoch=False)}


@pytest.mark.parametrize(('launcher', 'env', 'message'), [
    ('pytorch', {}, "launcher='pytorch' but RANK, WORLD_SIZE, LOCAL_RANK is not set; start the run with tools/dist_"),
    ('slurm', {'SLURM_PROCID': '0'}, 'SLURM_NTASKS, SLURM_LOCALID is not set'),
    ('moon', {}, "launcher='moon' is not one of none, pytorch, slurm, mpi"),
])
def test_launcher_without_its_environment(monkeypatch, launcher, env, message):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        init_distributed(launcher)


def test_no_launcher_does_nothing():
    init_distributed('none')
    assert not torch.distributed.is_initialized()


class _StopHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        runner.train_loop.stop_training = True


def _train(work_dir, overrides, stop_early=False):
    """Train the toy on this rank and return its weights."""
    torch.set_num_threads(1)
    runner = build_toy_runner(toy_config(work_dir, launcher='pytorch', **overrides))
    if stop_early:
        # The first epoch is the last of this part; the checkpoint of iteration 3 lies inside it.
        runner.register_hook(_StopHook())
    runner.train()
    assert type(runner.model).__name__ == 'AVDistributedDataParallel'
    return {k: v.clone() for k, v in runner.model.module.state_dict().items()}, runner.iter


def _register_idle():
    from avmm.registry import MODELS
    from avmm.testing import ToyAVModel

    @MODELS.register_module()
    class ToyWithIdleLayer(ToyAVModel):
        """Has a layer that nothing uses."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.idle = torch.nn.Linear(2, 2)


def _several(work_dir, poisoned):
    """What several tests ask of two ranks, so that the processes start once."""
    from avmm.utils import AVMMError
    _register_idle()
    results = dict(plain=_train(f'{work_dir}/plain', {**TWO, 'model.dropout': 0.0}))
    results['whole'] = _train(f'{work_dir}/whole', TWO)
    results['first'] = _train(f'{work_dir}/cut', TWO, stop_early=True)[1]
    results['again'] = _train(f'{work_dir}/cut', dict(TWO, resume=True))
    for name, overrides in dict(
            poison={**TWO, 'train_dataloader.dataset.poison': [poisoned]},
            unused={**TWO, 'model.type': 'ToyWithIdleLayer'}, full={**TWO, 'broken_disk': True}).items():
        broken = overrides.pop('broken_disk', False)
        try:
            if broken:
                _break_disk_of_rank_zero()
            _train(f'{work_dir}/{name}', overrides)
        except AVMMError as error:
            results[name] = f'{type(error).__name__}: {error}'
    return results


def _break_disk_of_rank_zero():
    from avmm.engine import runner as module

    def full(obj, path):
        from avmm.utils import CheckpointError
        raise CheckpointError(f'{path} could not be written')

    module.save_checkpoint = full


@pytest.fixture(scope='module')
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return folder, run_ranks(_several, 2, args=[str(folder), 5])


def test_ranks_end_with_the_same_weights(two_ranks):
    _, (zero, one) = two_ranks
    for name, value in zero['whole'][0].items():
        assert torch.equal(value, one['whole'][0][name]), name


def test_two_ranks_are_one_of_twice_the_batch(two_ranks, tmp_path):
    _, (zero, _) = two_ranks
    runner = build_toy_runner(toy_config(tmp_path, **{'model.dropout': 0.0}))
    runner.train()
    for name, value in runner.model.state_dict().items():
        torch.testing.assert_close(zero['plain'][0][name], value, rtol=1e-5, atol=1e-6)


def test_resume_restores_the_random_state_of_each_rank(two_ranks):
    folder, results = two_ranks
    states = load_checkpoint(folder / 'whole' / 'iter_3.pth')['rng']
    assert len(states) == 2
    for rank in results:
        assert rank['first'] == 4
        assert rank['again'][1] == rank['whole'][1] == 12
        for name, value in rank['whole'][0].items():
            assert torch.equal(value, rank['again'][0][name]), name


def test_ranks_agree_on_a_loss_that_is_not_finite(two_ranks):
    _, results = two_ranks
    messages = sorted(rank['poison'] for rank in results)
    assert any('samples of the batch' in m and 'toy_5' in m for m in messages)
    assert any('the loss is not finite on another rank' in m for m in messages)
    assert all(m.startswith('NonFiniteLossError: iteration ') for m in messages)


def test_unused_parameters_are_named(two_ranks):
    _, results = two_ranks
    assert all('ConfigError: 2 parameters got no gradient in the last step (idle.weight, idle.bias); freeze or remove '
               'them, or set find_unused_parameters=True' in rank['unused'] for rank in results)


def test_a_full_disk_stops_every_rank(two_ranks):
    _, results = two_ranks
    assert all(rank['full'].startswith('CheckpointError: ') and 'could not be written' in rank['full']
               for rank in results)


@pytest.mark.integration
def test_sigterm_on_one_rank_stops_both(tmp_path):
    """The ranks agree in the next step; both end with the status of the signal and one checkpoint is there."""
    command = [SCRIPT, tmp_path, json.dumps(dict(TWO, launcher='pytorch')), '--kill-at', 5, '--signal', 'SIGTERM',
               '--rank', 1]
    env = dict(PYTHONPATH=os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get('PYTHONPATH', '')]))
    ranks = [start_warm(command, one) for one in rank_environments(2, env)]
    errors = [rank.communicate(timeout=100)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [143, 143], errors
    assert 'stopped by SIGTERM after iteration 6' in errors[0]
    assert load_checkpoint(tmp_path / 'iter_6.pth')['meta']['iter'] == 6
