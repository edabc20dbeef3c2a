"""Training of UAVM: the modality of a batch, idle branches, resumes, ranks, warm-up, means over epochs."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from avmm.engine.checkpoint import load_checkpoint
from avmm.testing import build_toy_runner, run_ranks
from avmm.utils import ConfigError, DataError
from projects.uavm.tests.toy_uavm import toy_uavm_config
from projects.uavm.uavm.hooks import (
    ModalityDrawHook,
    PredictionEnsembleHook,
    ResultTableHook,
    SteppedWarmupHook,
    WeightAverageHook,
)

EVERY_THIRD = {'default_hooks.checkpoint': dict(type='CheckpointHook', interval=3, by_epoch=False)}


class Crash(Exception):
    pass


class CrashHook(Hook):
    priority = 'LOWEST'

    def __init__(self, at: int):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise Crash


def train(folder, work_dir, crash_at: int = 0, **overrides):
    runner = build_toy_runner(toy_uavm_config(folder, work_dir, **overrides))
    if crash_at:
        runner.register_hook(CrashHook(crash_at))
        with pytest.raises(Crash):
            runner.train()
    else:
        runner.train()
    return runner


def test_modality_follows_from_seed_and_iteration():
    hook = ModalityDrawHook(prob=0.3)
    drawn = [hook.modality(5, i) for i in range(2000)]
    assert drawn == [ModalityDrawHook(prob=0.3).modality(5, i) for i in range(2000)]
    assert 0.27 < drawn.count('audio') / 2000 < 0.33
    assert drawn != [hook.modality(6, i) for i in range(2000)]
    batch = dict(inputs=dict(audio=1, visual=2))
    hook.before_train_iter(SimpleNamespace(seed=5, iter=0), 0, batch)
    assert list(batch['inputs']) == [drawn[0]]
    with pytest.raises(ConfigError, match='prob must lie in 0 to 1, got 1.5'):
        ModalityDrawHook(1.5)
    with pytest.raises(ConfigError, match='has drawn audio, the batch has visual'):
        ModalityDrawHook(1.0).before_train_iter(SimpleNamespace(seed=0, iter=0), 0, dict(inputs=dict(visual=2)))


@pytest.mark.parametrize('mode', ['item', 'batch'])
def test_a_killed_run_goes_on_to_the_same_weights_and_table(tmp_path, mode):
    options = {**EVERY_THIRD, 'train_dataloader.dataset.mode': mode,
               'train_dataloader.dataset.store': 'features.h5'}
    whole = train(tmp_path / 'data', tmp_path / 'whole', **options)
    train(tmp_path / 'data', tmp_path / 'cut', 5, **options)
    again = train(tmp_path / 'data', tmp_path / 'cut', resume=True, **options)
    for (name, value), mine in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(value, mine), name
    tables = [np.loadtxt(tmp_path / name / 'result.csv', delimiter=',') for name in ('whole', 'cut')]
    np.testing.assert_array_equal(*tables)
    assert tables[0].shape == (2, 10) and tables[0][:, 9].tolist() == [1e-2, 5e-3]
    assert (tables[0][:, :9] > 0).any() and tables[0].max() <= 1


class MovesHook(Hook):
    """Notes in which iterations the weights of the audio branch change, and whether they had a gradient."""

    def __init__(self):
        self.moves = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before = runner.model.branch('audio').pos_embed.detach().clone()
        self.audio = 'audio' in data_batch['inputs']

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.moves.append((self.audio, not torch.equal(self.before, runner.model.branch('audio').pos_embed)))


@pytest.mark.parametrize('to_none', [False, True])
def test_an_idle_branch_moves_on_unless_told_otherwise(tmp_path, to_none):
    draws = [0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9]
    moves = MovesHook()
    runner = build_toy_runner(toy_uavm_config(
        tmp_path / 'data', tmp_path / 'run', custom_hooks=[dict(type='ModalityDrawHook', draws=draws)],
        **{'optim_wrapper.zero_grad_set_to_none': to_none}))
    runner.register_hook(moves, priority='LOWEST')
    runner.train()
    audio = [draw < 0.5 for draw in draws]
    # Before its first batch a branch has no gradient, and stays where it is.
    expected = audio if to_none else [False, *[True] * 7]
    assert moves.moves == list(zip(audio, expected, strict=True))


def train_rank(folder: str) -> dict:
    """What one rank does: train on its share."""
    import torch.distributed as dist
    rank, world = dist.get_rank(), dist.get_world_size()
    seen = []

    class SeenHook(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append([*data_batch['inputs']])

    runner = build_toy_runner(toy_uavm_config(
        Path(folder), Path(folder, f'run{world}'), launcher='pytorch',
        **{'train_dataloader.batch_size': 8 // world, 'val_dataloader.batch_size': 8 // world}))
    runner.register_hook(SeenHook(), priority='LOWEST')
    runner.train()
    model = runner.model.module if hasattr(runner.model, 'module') else runner.model
    return dict(rank=rank, seen=seen, weights={n: v.clone() for n, v in model.state_dict().items()},
                table=(Path(folder, f'run{world}', 'result.csv').read_text() if rank == 0 else ''))


@pytest.mark.slow
def test_two_ranks_train_the_same_modality_and_give_the_weights_of_one(tmp_path):
    toy_uavm_config(tmp_path, tmp_path / 'unused')
    alone, = run_ranks(train_rank, 1, [str(tmp_path)])
    first, second = run_ranks(train_rank, 2, [str(tmp_path)])
    assert first['seen'] == second['seen'] == alone['seen']
    assert {tuple(names) for names in alone['seen']} == {('audio', ), ('visual', )}
    for name, value in alone['weights'].items():
        assert torch.equal(first['weights'][name], second['weights'][name]), name
        torch.testing.assert_close(first['weights'][name], value, atol=2e-4, rtol=2e-3, msg=name)
    tables = [np.loadtxt(result['table'].splitlines(), delimiter=',') for result in (alone, first)]
    np.testing.assert_allclose(*tables, atol=0.05)


# Warm-up -----------------------------------------------------------------------------------------------------------

def test_warm_up_in_steps_stays_below_the_base_rate():
    hook = SteppedWarmupHook(batch_size=120)
    factors = [hook.factor(i) for i in range(100)]
    assert {i: f for i, f in enumerate(factors) if f is not None} == {0: 0, 25: 0.3, 50: 0.6, 75: 0.9}
    assert {SteppedWarmupHook(batch_size=8).factor(i) for i in range(50)} == {0}


def test_linear_warm_up_reaches_the_base_rate():
    for batch in (8, 120, 144):
        hook = SteppedWarmupHook(batch_size=batch, linear=True)
        factors = [f for f in map(hook.factor, range(2000)) if f is not None]
        assert factors[0] == 0 and factors[-1] == 1 and factors == sorted(factors)
        assert len(factors) == -(-10000 // batch) + 1


# Means over epochs -------------------------------------------------------------------------------------------------

EXTRACTOR = dict(columns=['mAP/joint', 'middle_precision/joint', 'train_loss', 'val_loss/joint', 'mAP/ensemble', 'lr'])


def ensemble_options(**hooks) -> dict:
    return dict(
        val_evaluator=dict(type='UAVMStatistics', keep=True, middle='whole', loss=dict(type='BCELoss')),
        custom_hooks=[dict(type='ModalityDrawHook'), dict(type='ResultTableHook', **EXTRACTOR),
                      dict(type='PredictionEnsembleHook', **hooks.get('ensemble', {})),
                      dict(type='WeightAverageHook', start=2, end=3)],
        **{'train_cfg.max_epochs': 3})


def test_means_of_weights_and_predictions(tmp_path):
    runner = train(tmp_path / 'data', tmp_path / 'run', **ensemble_options(ensemble=dict(keep_all=True)))
    states = [load_checkpoint(tmp_path / f'run/epoch_{e}.pth')['state_dict'] for e in (2, 3)]
    mean = load_checkpoint(tmp_path / 'run/weight_average.pth')['state_dict']
    for name, value in mean.items():
        torch.testing.assert_close(value, (states[0][name] + states[1][name]) / 2)
        assert torch.equal(runner.model.state_dict()[name], states[1][name])
    assert np.loadtxt(tmp_path / 'run/wa_result.csv').shape == (5, )
    saved = [np.load(tmp_path / f'run/predictions/predictions_{e}.npy') for e in (1, 2, 3)]
    with np.load(tmp_path / 'run/predictions/mean.npz') as found:
        np.testing.assert_allclose(found['value'], np.mean(saved, 0), rtol=1e-6)
    assert np.load(tmp_path / 'run/predictions/target.npy').shape == (32, 4)
    table = np.loadtxt(tmp_path / 'run/result.csv', delimiter=',')
    # The mean over one epoch is that epoch.
    assert table[0, 0] == pytest.approx(table[0, 4]) and table[1, 0] != pytest.approx(table[1, 4], abs=1e-9)
    assert (table[:, 2:4] > 0).all()


def test_means_go_on_after_a_resume(tmp_path):
    options = dict(EVERY_THIRD, **ensemble_options())
    train(tmp_path / 'data', tmp_path / 'whole', **options)
    train(tmp_path / 'data', tmp_path / 'cut', 11, **options)
    train(tmp_path / 'data', tmp_path / 'cut', resume=True, **options)
    for name in ('result.csv', 'wa_result.csv'):
        assert (tmp_path / 'whole' / name).read_text() == (tmp_path / 'cut' / name).read_text()
    (tmp_path / 'cut/predictions/mean.npz').unlink()
    (tmp_path / 'cut/predictions/previous.npz').unlink()
    hook = PredictionEnsembleHook()
    with pytest.raises(DataError, match='the predictions of the first 2 epochs are not there'):
        hook._take_back(tmp_path / 'cut/predictions', 2)


def test_hooks_name_what_they_miss(tmp_path):
    with pytest.raises(ConfigError, match="no value 'accuracy/nose'"):
        train(tmp_path / 'data', tmp_path / 'a', custom_hooks=[
            dict(type='ModalityDrawHook'), dict(type='ResultTableHook', columns=['accuracy/nose'])])
    with pytest.raises(ConfigError, match='needs val_evaluator'):
        train(tmp_path / 'data', tmp_path / 'b', custom_hooks=[
            dict(type='ModalityDrawHook'), dict(type='PredictionEnsembleHook')])
    with pytest.raises(ConfigError, match='the average ends at epoch 5, training at 2'):
        train(tmp_path / 'data', tmp_path / 'c', custom_hooks=[dict(type='WeightAverageHook', start=1, end=5)])
    with pytest.raises(ConfigError, match='counted from 1'):
        WeightAverageHook(3, 2)
    with pytest.raises(ConfigError, match='needs columns'):
        ResultTableHook(columns=[])
