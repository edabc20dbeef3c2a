"""Both stages in one run: order, files, what a checkpoint knows, resuming anywhere."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from avmm.engine.checkpoint import load_checkpoint, save_checkpoint
from avmm.testing import build_toy_runner
from avmm.utils import CheckpointError, ConfigError
from projects.tcaf.tests.toy_gzsl import toy_gzsl_config

ROOT = Path(__file__).resolve().parents[3]


class Crash(Exception):
    """The end of a run, as sudden as one process can make it for itself."""


class CrashHook(Hook):
    """Ends the run at the ``count``-th time that it comes to a place."""

    priority = 'LOWEST'

    def __init__(self, place: str, count: int):
        self.left = count
        setattr(self, place, self.act)

    def act(self, runner, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise Crash


class Notes(Hook):
    """Which places a run passes, with stage, epoch and learning rate."""

    def __init__(self):
        self.places, self.initial = [], []

    def _note(self, name, runner):
        self.places.append((name, runner.train_loop.stage, runner.epoch))

    def before_train_epoch(self, runner):
        self._note('train', runner)
        if runner.epoch == 0:
            self.initial.append({k: v.clone() for k, v in runner.model.state_dict().items()})
            assert not runner.optim_wrapper.optimizer.state

    def before_val_epoch(self, runner):
        self._note('val', runner)

    def before_save_checkpoint(self, runner, checkpoint):
        self._note('save', runner)

    def before_test_epoch(self, runner):
        self._note('test', runner)


def train(work_dir, crash=None, notes=None, **overrides):
    runner = build_toy_runner(toy_gzsl_config(work_dir, **overrides))
    if notes:
        runner.register_hook(notes)
    if crash is None:
        runner.train()
        return runner
    runner.register_hook(CrashHook(*crash))
    with pytest.raises(Crash):
        runner.train()
    return runner


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A run of both stages and the test, its notes and its folder."""
    folder, notes = tmp_path_factory.mktemp('whole'), Notes()
    return train(folder, notes=notes, **{'default_hooks.checkpoint.iter_interval': 0}), notes, folder


def assert_same_end(runner, other):
    for (name, value), theirs in zip(runner.model.state_dict().items(), other.model.state_dict().values(),
                                     strict=True):
        assert torch.equal(value, theirs), name
    for key, value in runner.optim_wrapper.optimizer.state_dict()['state'].items():
        theirs = other.optim_wrapper.optimizer.state_dict()['state'][key]
        assert all(torch.equal(v, theirs[k]) for k, v in value.items())
    assert runner.optim_wrapper.get_lr() == other.optim_wrapper.get_lr()
    assert (runner.epoch, runner.iter) == (other.epoch, other.iter)
    assert runner.train_loop.records == other.train_loop.records
    outcomes = [json.loads(Path(r.work_dir, 'zero_shot.json').read_text()) for r in (runner, other)]
    assert outcomes[0] == outcomes[1]


def test_the_order_of_both_stages(whole):
    runner, notes, folder = whole
    best = runner.train_loop.records[1].best_epoch
    places = list(dict.fromkeys(notes.places))
    expected = []
    for stage, epochs in ((1, 4), (2, best)):
        for epoch in range(epochs):
            expected += [('train', stage, epoch), ('val', stage, epoch + 1), ('save', stage, epoch + 1)]
    assert places == [*expected, ('test', 2, best)]
    first, second = notes.initial
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert runner.iter == (4 + best) * 5
    saved = {p.name for p in folder.glob('stage*.pth')}
    assert saved == {f'stage1_epoch_{n}.pth' for n in range(1, 5)} | {f'stage2_epoch_{n + 1}.pth' for n in range(best)}
    assert (folder / f'best_score_stage1_epoch_{best}.pth').is_file()
    assert len(list(folder.glob('best_score_stage1*'))) == len(list(folder.glob('best_loss_stage2*'))) == 1


def test_a_checkpoint_knows_its_stage_and_its_calibration(whole):
    runner, _, folder = whole
    records = runner.train_loop.records
    state = load_checkpoint(folder / f'stage2_epoch_{records[1].best_epoch}.pth')['zero_shot']
    assert (state['stage'], state['epoch'], state['best_epoch']) == (2, records[1].best_epoch, records[1].best_epoch)
    assert state['beta'] == records[1].beta == records[1].metrics['gzsl/test_beta']
    outcome = json.loads((folder / 'zero_shot.json').read_text())
    assert outcome['test']['gzsl/beta'] == outcome['beta'] == records[1].beta
    assert outcome['val']['gzsl/hm'] == records[1].best_score > 0
    assert len(records[2].learning_rates) == records[1].best_epoch
    early = load_checkpoint(folder / 'stage1_epoch_1.pth')['zero_shot']
    assert (early['stage'], early['best_epoch']) == (1, 1)
    assert early['beta'] == early['records'][1]['last_beta']


CRASHES = {
    'in stage 1': ('after_train_iter', 8), 'in its validation': ('before_val_epoch', 2),
    'between validation and checkpoint': ('after_val_epoch', 2), 'after its last checkpoint': ('after_stage_epoch', 4),
    'in stage 2': ('after_train_iter', 29), 'in the validation of stage 2': ('before_val_epoch', 6),
    'before the test': ('before_test_epoch', 1),
}


def check_resumed(tmp_path, whole, crash):
    options = {'default_hooks.checkpoint.iter_interval': 3}
    train(tmp_path, crash, **options)
    assert not (tmp_path / 'zero_shot.json').exists()
    assert_same_end(whole[0], train(tmp_path, resume=True, **options))


@pytest.mark.parametrize('place', ['in stage 1', 'after its last checkpoint', 'in stage 2'])
def test_resumed_in_either_stage(tmp_path, whole, place):
    check_resumed(tmp_path, whole, CRASHES[place])


@pytest.mark.slow
@pytest.mark.parametrize('place', ['in its validation', 'between validation and checkpoint',
                                   'in the validation of stage 2', 'before the test'])
def test_resumed_elsewhere(tmp_path, whole, place):
    check_resumed(tmp_path, whole, CRASHES[place])


@pytest.mark.slow
@pytest.mark.parametrize('options', [
    {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True},
    {'optim_wrapper': dict(type='SAMOptimWrapper', rho=0.05), 'train_cfg.stage2_lr': 'replay'},
    {'optim_wrapper.accumulative_counts': 3, 'model.extra_bn_pass': True, 'train_cfg.stage2_epochs': 3},
    {'custom_hooks': [dict(type='OGMGE', params=dict(dims=None)), dict(type='EMAHook')]},
], ids=['workers', 'sam', 'accumulation', 'hooks'])
def test_resumed_in_stage_2_with_other_options(tmp_path, options):
    options = {**options, 'train_cfg.max_epochs': 2, 'train_cfg.stage2_epochs': 2, **options}
    expected = train(tmp_path / 'whole', **options)
    train(tmp_path / 'cut', ('after_train_iter', 17), **options)
    assert_same_end(expected, train(tmp_path / 'cut', resume=True, **options))


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize('iteration', [7, 28])
def test_killed_and_resumed(tmp_path, whole, iteration):
    code = ('import sys; sys.path.insert(0, sys.argv[1])\n'
            'import os, signal, torch; torch.set_num_threads(1)\n'
            'from mmengine.hooks import Hook\n'
            'from avmm.testing import build_toy_runner\n'
            'from projects.tcaf.tests.toy_gzsl import toy_gzsl_config\n'
            'class Kill(Hook):\n'
            '    priority = "LOWEST"\n'
            '    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):\n'
            '        if runner.iter + 1 == int(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)\n'
            'runner = build_toy_runner(toy_gzsl_config(sys.argv[2]))\n'
            'runner.register_hook(Kill())\n'
            'runner.train()\n')
    done = subprocess.run([sys.executable, '-c', code, str(ROOT), str(tmp_path), str(iteration)], timeout=120,
                          env=dict(os.environ, OMP_NUM_THREADS='1'), capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same_end(whole[0], train(tmp_path, resume=True))


def outcome_of_test(work_dir, checkpoint, **overrides):
    """What ``tools/test.py`` does."""
    cfg = toy_gzsl_config(work_dir, load_from=str(checkpoint), **overrides)
    for key in ('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'val_cfg', 'val_dataloader',
                'val_evaluator'):
        cfg[key] = None
    return build_toy_runner(cfg).test()


def test_one_file_is_enough_to_test(tmp_path, whole):
    _, _, folder = whole
    outcome = json.loads((folder / 'zero_shot.json').read_text())
    metrics = outcome_of_test(tmp_path, folder / outcome['checkpoint'])
    assert {k: metrics[k] for k in ('gzsl/seen', 'gzsl/unseen', 'gzsl/hm', 'gzsl/zsl', 'gzsl/beta')} == {
        k: v for k, v in outcome['test'].items() if k.startswith('gzsl')}


def test_two_files_of_bare_weights_are_tested_as_published(tmp_path, whole):
    _, _, folder = whole
    outcome = json.loads((folder / 'zero_shot.json').read_text())
    files = {1: folder / f'stage1_epoch_{outcome["best_epoch"]}.pth', 2: folder / outcome['checkpoint']}
    for stage, path in files.items():
        save_checkpoint(dict(state_dict=load_checkpoint(path)['state_dict']), tmp_path / f'{stage}.pth')
    metrics = outcome_of_test(tmp_path, tmp_path / '2.pth', **{'test_cfg.stage1': str(tmp_path / '1.pth')})
    assert metrics['gzsl/beta'] == outcome['beta']
    assert metrics['gzsl/hm'] == outcome['test']['gzsl/hm']
    assert outcome_of_test(tmp_path, tmp_path / '2.pth', **{'test_cfg.beta': 0.4})['gzsl/beta'] == 0.4
    with pytest.raises(ConfigError, match='holds no constant of calibration.*name a checkpoint of stage 1'):
        outcome_of_test(tmp_path, tmp_path / '2.pth')


def test_the_stages_one_by_one(tmp_path, whole):
    runner, notes, folder = whole
    best = runner.train_loop.records[1].best_epoch
    first = train(tmp_path / 'first', **{'train_cfg.stage': '1'})
    assert first.train_loop.records[1] == runner.train_loop.records[1]
    assert not (tmp_path / 'first/zero_shot.json').exists()
    chosen = str(tmp_path / f'first/stage1_epoch_{best}.pth')
    second = train(tmp_path / 'second', **{'train_cfg.stage': 2, 'train_cfg.stage1_checkpoint': chosen})
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, runner.model.state_dict()[name]), name
    tested_alone = train(tmp_path / 'second', **{'train_cfg.stage': 'eval'})
    assert tested_alone.iter == 0
    outcomes = [json.loads((f / 'zero_shot.json').read_text()) for f in (folder, tmp_path / 'second')]
    assert outcomes[0]['test'] == outcomes[1]['test']
    alone = train(tmp_path / 'alone', **{'train_cfg.stage': '2', 'train_cfg.max_epochs': 2})
    assert alone.epoch == 2
    (tmp_path / f'second/stage2_epoch_{best}.pth').unlink()
    with pytest.raises(CheckpointError, match=f'best after epoch {best}, and there is no stage2_epoch_{best}.pth|'
                                              'there is no stage2_epoch_N.pth to test'):
        train(tmp_path / 'second', **{'train_cfg.stage': 'eval'})
    with pytest.raises(CheckpointError, match="the checkpoint is of stage 2, and train_cfg.stage is '1'"):
        train(tmp_path / 'alone', resume=True, **{'train_cfg.stage': '1'})


def test_stage_2_can_replay_the_rates_of_stage_1(tmp_path):
    """With a patience of -1 the rate falls after each epoch of stage 1."""
    options = {'param_scheduler.patience': -1, 'param_scheduler.threshold': 1e6, 'train_cfg.stage2_epochs': 'all',
               'train_cfg.max_epochs': 3}
    runner = train(tmp_path, **{**options, 'train_cfg.stage2_lr': 'replay'})
    rates = {stage: [rate for rate, in record.learning_rates] for stage, record in runner.train_loop.records.items()}
    assert rates[1] == pytest.approx([3e-3, 1.5e-3, 7.5e-4])
    assert rates[2] == rates[1]


def test_a_hook_that_ends_stage_1_early_begins_anew_in_stage_2(tmp_path):
    stop = dict(type='EarlyStoppingHook', monitor='gzsl/hm', rule='greater', min_delta=1000, patience=1)
    runner = train(tmp_path, **{'custom_hooks': [stop], 'train_cfg.stage2_epochs': 'all'})
    assert len(runner.train_loop.records[1].learning_rates) == len(runner.train_loop.records[2].learning_rates) == 2
    assert (tmp_path / 'stage1_epoch_2.pth').is_file() and (tmp_path / 'stage2_epoch_2.pth').is_file()


def test_losses_of_the_validation(tmp_path):
    full = train(tmp_path / 'full', **{'val_cfg.loss': 'full', 'train_cfg.max_epochs': 1, 'train_cfg.stage': '1'})
    model = full.model.eval()
    dataset = full.val_dataloader.dataset
    model.set_classes(dataset.class_words, dataset.metainfo['class_ids'])
    batch = full.val_dataloader.collate_fn([dataset[i] for i in range(len(dataset))])
    with torch.no_grad():
        expected = model.parse_losses(model(**batch, mode='loss'))[0]
    assert full.train_loop.records[1].best_loss == pytest.approx(float(expected), rel=1e-5)
    none = train(tmp_path / 'none', **{'val_cfg.loss': None, 'train_cfg.max_epochs': 1, 'train_cfg.stage': '1'})
    assert none.train_loop.records[1].best_loss is None
    assert not list((tmp_path / 'none').glob('best_loss*'))


def test_old_checkpoints_go_but_the_chosen_epoch_stays(tmp_path):
    hook = 'default_hooks.checkpoint'
    runner = train(tmp_path, **{f'{hook}.max_keep_ckpts': 1, f'{hook}.save_best': []})
    best = runner.train_loop.records[1].best_epoch
    assert {p.name for p in tmp_path.glob('stage1*.pth')} == {f'stage1_epoch_{best}.pth', 'stage1_epoch_4.pth'}
    assert {p.name for p in tmp_path.glob('stage2*.pth')} == {f'stage2_epoch_{best}.pth'}
    assert not list(tmp_path.glob('best*'))


@pytest.mark.parametrize(('options', 'message'), [
    ({'train_cfg.stage': '3'}, "train_cfg.stage must be one of 1, 2, all, eval, got '3'"),
    ({'train_cfg.stage2_epochs': 'some'}, "train_cfg.stage2_epochs is 'best', 'all' or a number, got 'some'"),
    ({'train_cfg.stage2_lr': 'none'}, "train_cfg.stage2_lr is 'schedule' or 'replay'"),
    ({'val_cfg.loss': 'some'}, "val_cfg.loss is 'balanced', 'full' or None, got 'some'"),
    ({'train_cfg.monitor': 'gzsl/x', 'train_cfg.max_epochs': 1}, "monitor='gzsl/x' is not a metric of the validation"),
    ({'default_hooks.checkpoint.save_best': ['hm']}, "takes 'score' and 'loss', got"),
])
def test_options_that_cannot_be(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path, **options)
