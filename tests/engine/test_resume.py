"""A run that was killed goes on to the same weights, bit for bit."""
from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from avmm.engine.checkpoint import checkpoint_candidates, load_checkpoint
from avmm.testing import build_toy_runner, run_warm, toy_config

SCRIPT = Path(__file__).with_name('toy_process.py')
EPOCHS = {'train_cfg': dict(type='EpochTrainLoop', max_epochs=3, val_interval=1)}
ITERS = {'train_cfg': dict(type='IterTrainLoop', max_iters=11, val_interval=4), 'param_scheduler': dict(
    type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=8)}
EVERY_THIRD = {'default_hooks.checkpoint': dict(type='CheckpointHook', interval=3, by_epoch=False)}


class Crash(Exception):
    """The end of a run, as sudden as one process can make it for itself."""


class CrashHook(Hook):
    priority = 'LOWEST'

    def __init__(self, at: int):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise Crash


def train(work_dir, crash_at=0, **overrides):
    """Train the toy and return its runner; a crash leaves what it has saved."""
    runner = build_toy_runner(toy_config(work_dir, **overrides))
    if not crash_at:
        runner.train()
        return runner
    runner.register_hook(CrashHook(crash_at))
    with pytest.raises(Crash):
        runner.train()
    return runner


def assert_same_end(runner, other):
    """The same weights, optimiser state, schedule and log."""
    for (name, value), mine in zip(runner.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        assert torch.equal(value, mine), name
    for key, value in runner.optim_wrapper.optimizer.state_dict()['state'].items():
        theirs = other.optim_wrapper.optimizer.state_dict()['state'][key]
        assert all(torch.equal(v, theirs[k]) for k, v in value.items() if isinstance(v, torch.Tensor))
    assert runner.optim_wrapper.get_lr() == other.optim_wrapper.get_lr()
    assert (runner.epoch, runner.iter) == (other.epoch, other.iter)
    ours, theirs = (r.message_hub.get_scalar('train/loss').state() for r in (runner, other))
    assert ours['values'] == theirs['values']
    assert ours['epoch'] == theirs['epoch']


@pytest.mark.parametrize('loop', [EPOCHS, ITERS], ids=['epochs', 'iterations'])
@pytest.mark.parametrize(('workers', 'crash_at'), [(0, 3), (0, 5), (0, 8), (2, 7)])
def test_crash_and_resume_inside_an_epoch(tmp_path, loop, workers, crash_at):
    options = {**loop, **EVERY_THIRD, 'train_dataloader.num_workers': workers, 'model.batch_norm': True}
    whole = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', crash_at, **options)
    assert_same_end(whole, train(tmp_path / 'cut', resume=True, **options))


def test_averaged_weights_and_early_stopping_go_on(tmp_path):
    options = {**EPOCHS, **EVERY_THIRD, 'train_cfg.max_epochs': 6, 'custom_hooks': [
        dict(type='EMAHook', momentum=0.1),
        dict(type='EarlyStoppingHook', monitor='toy/accuracy', rule='greater', min_delta=1000, patience=4)]}
    whole = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', 11, **options)
    again = train(tmp_path / 'cut', resume=True, **options)
    assert whole.epoch == 5
    assert_same_end(whole, again)
    last = [load_checkpoint(tmp_path / run / 'iter_18.pth') for run in ('whole', 'cut')]
    for name, value in last[0]['ema_state_dict'].items():
        assert torch.equal(value, last[1]['ema_state_dict'][name]), name


def test_each_pass_of_the_iteration_loop_has_an_order_of_its_own(tmp_path):
    seen = []

    class Record(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen.append(tuple(s.sample_id for s in data_batch['data_samples']))

    runner = build_toy_runner(toy_config(tmp_path, **ITERS))
    runner.register_hook(Record())
    runner.train()
    first, second = (sorted(sum(seen[i:i + 4], ())) for i in (0, 4))
    assert first == second == sorted(f'toy_{i}' for i in range(32))
    assert seen[:4] != seen[4:8]


def test_crash_in_validation_runs_that_validation_again(tmp_path):
    """The checkpoint of an epoch is written before its validation; what validation drives sees it after a resume."""
    scores = []

    class Scores(Hook):
        def __init__(self, crash_at=0):
            self.crash_at = crash_at

        def before_val(self, runner):
            if runner.epoch == self.crash_at:
                raise Crash

        def after_val_epoch(self, runner, metrics=None):
            scores.append((runner.epoch, metrics['toy/accuracy']))

    options = dict(param_scheduler=dict(type='ReduceOnPlateauLR', monitor='toy/accuracy', rule='greater', patience=0,
                                        threshold=100.0), **EPOCHS)

    def run(work_dir, crash_at=0, **more):
        scores.clear()
        runner = build_toy_runner(toy_config(work_dir, **options, **more))
        runner.register_hook(Scores(crash_at))
        if crash_at:
            with pytest.raises(Crash):
                runner.train()
        else:
            runner.train()
        return runner, list(scores)

    whole, all_scores = run(tmp_path / 'whole')
    _, first = run(tmp_path / 'cut', crash_at=2)
    again, rest = run(tmp_path / 'cut', resume=True)
    assert first + rest == all_scores
    assert_same_end(whole, again)
    assert whole.optim_wrapper.get_lr()['lr'][0] < 0.1


def test_validation_that_ran_is_not_repeated(tmp_path):
    options = {**EPOCHS, 'default_hooks.checkpoint': dict(type='CheckpointHook', interval=1, save_best='auto')}
    whole = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', 6, **options)
    again = train(tmp_path / 'cut', resume=True, **options)
    assert_same_end(whole, again)
    name = 'val/toy/accuracy'
    assert again.message_hub.get_scalar(name).state() == whole.message_hub.get_scalar(name).state()


def test_resume_takes_the_seed_of_the_checkpoint(tmp_path):
    options = {**EVERY_THIRD, 'randomness.seed': None}
    first = train(tmp_path, 5, **options)
    again = build_toy_runner(toy_config(tmp_path, resume=True, **options))
    again.train()
    assert again.seed == first.seed
    assert again.train_dataloader.sampler.seed == first.seed


def test_resume_reads_no_data_to_get_back(tmp_path, monkeypatch):
    from avmm.testing import ToyAVDataset
    train(tmp_path, 8, **EVERY_THIRD)
    drawn = []
    original = ToyAVDataset.__getitem__
    monkeypatch.setattr(ToyAVDataset, '__getitem__', lambda self, i: drawn.append(int(i)) or original(self, i))
    train(tmp_path, resume=True, **EVERY_THIRD, val_cfg=None, val_dataloader=None, val_evaluator=None)
    # Six of twelve iterations were done.
    assert len(drawn) == 6 * 8


def test_a_sampler_that_cannot_skip_reads_again(tmp_path):
    options = {**EVERY_THIRD, 'train_dataloader.sampler': dict(type='mmengine.DefaultSampler', shuffle=True)}
    whole = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', 5, **options)
    again = train(tmp_path / 'cut', resume=True, **options)
    for name, value in whole.model.state_dict().items():
        assert value.shape == again.model.state_dict()[name].shape
    assert again.iter == 12


def test_another_batch_size_goes_on_near_the_same_place(tmp_path, caplog):
    train(tmp_path, 5, **EVERY_THIRD)
    runner = build_toy_runner(toy_config(tmp_path, resume=True, **EVERY_THIRD, **{'train_dataloader.batch_size': 4}))
    runner.train()
    # Three batches of 8 were done: six of 4 of the first epoch are left out.
    assert runner.iter == 3 + 2 + 8 + 8


def test_accumulated_gradients_survive(tmp_path):
    options = {**EVERY_THIRD, 'optim_wrapper.accumulative_counts': 2}
    whole = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', 5, **options)
    assert load_checkpoint(tmp_path / 'cut' / 'iter_3.pth')['optimizer']['grads']
    assert_same_end(whole, train(tmp_path / 'cut', resume=True, **options))


def test_falls_back_when_the_newest_is_torn(tmp_path):
    whole = train(tmp_path / 'whole', **EVERY_THIRD)
    cut = tmp_path / 'cut'
    train(cut, 8, **EVERY_THIRD)
    newest = cut / 'iter_6.pth'
    newest.write_bytes(newest.read_bytes()[:-500])
    assert checkpoint_candidates(cut)[0].name == 'iter_6.pth'
    again = build_toy_runner(toy_config(cut, resume=True, **EVERY_THIRD))
    again.train()
    assert_same_end(whole, again)


def test_nothing_to_resume_starts_from_the_beginning(tmp_path):
    assert train(tmp_path, resume=True).iter == 12


def kill_process(work_dir, options, at, signal_name='SIGKILL', group=False):
    """Train the toy in a process that gets a signal after iteration ``at``."""
    command = [SCRIPT, work_dir, json.dumps(options), '--kill-at', at, '--signal', signal_name,
               *(['--group'] if group else [])]
    return run_warm(command, env=dict(os.environ, PYTHONPATH=str(SCRIPT.parents[2])))


def check_killed_process(tmp_path, loop, workers):
    options = {**loop, **EVERY_THIRD, 'train_dataloader.num_workers': workers, 'model.dropout': 0.5}
    done = kill_process(tmp_path / 'killed', options, at=7)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same_end(train(tmp_path / 'whole', **options), train(tmp_path / 'killed', resume=True, **options))


@pytest.mark.integration
def test_sigkill_in_an_epoch(tmp_path):
    check_killed_process(tmp_path, EPOCHS, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize(('loop', 'workers'), [(EPOCHS, 0), (ITERS, 0), (ITERS, 2)],
                         ids=['epochs-0', 'iterations-0', 'iterations-2'])
def test_sigkill_elsewhere(tmp_path, loop, workers):
    check_killed_process(tmp_path, loop, workers)


@pytest.mark.integration
@pytest.mark.parametrize(('name', 'status'), [('SIGTERM', 143), ('SIGINT', 130)])
def test_asked_to_stop(tmp_path, name, status):
    """A signal to the whole group, data workers too: the iteration ends, its state is saved, one line is said."""
    options = dict(EPOCHS, **{'train_dataloader.num_workers': 2})
    done = kill_process(tmp_path / 'cut', options, at=6, signal_name=name, group=True)
    assert done.returncode == status, done.stderr
    line = f'stopped by {name} after iteration 6; the state is saved to iter_6.pth; continue with --resume'
    assert done.stderr.strip().splitlines()[-1] == line
    assert 'Traceback' not in done.stderr
    assert_same_end(train(tmp_path / 'whole', **EPOCHS), train(tmp_path / 'cut', resume=True, **EPOCHS))
