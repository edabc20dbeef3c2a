"""What the runner adds to building and running."""
from __future__ import annotations

import pytest
import torch

from avmm.datasets.collate import av_collate
from avmm.engine.logging import LogProcessor
from avmm.engine.runner import AVRunner
from avmm.registry import HOOKS, RUNNERS
from avmm.testing import build_toy_runner, toy_config


def test_is_found_by_name_and_uses_our_parts(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path))
    assert RUNNERS.get('AVRunner') is AVRunner is type(runner)
    assert type(runner.log_processor) is LogProcessor
    ours = {type(h).__name__ for h in runner.hooks if type(h).__module__.startswith('avmm.')}
    assert {'CheckpointHook', 'RuntimeInfoHook', 'DataReportHook'} <= ours
    assert HOOKS.get('IterTimerHook').__module__.startswith('mmengine.')


def test_loader_has_a_generator_of_its_own(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path))
    loader = runner.build_dataloader(runner.cfg.train_dataloader, seed=3)
    before = torch.get_rng_state()
    batch = next(iter(loader))
    assert torch.equal(before, torch.get_rng_state())
    assert batch['inputs']['audio'].shape == (8, 1, 8, 8)
    assert loader.collate_fn.func is av_collate
    assert runner.build_dataloader(loader) is loader


def test_collate_and_worker_options_of_the_config_win(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path))
    cfg = dict(runner.cfg.train_dataloader, collate_fn=dict(type='pseudo_collate'))
    loader = runner.build_dataloader(cfg, seed=3)
    assert isinstance(next(iter(loader))['inputs']['audio'], list)


@pytest.mark.parametrize('there', [False, True])
def test_memory_is_pinned_only_where_there_is_an_accelerator(tmp_path, monkeypatch, there):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: there)
    runner = build_toy_runner(toy_config(tmp_path))
    loader = runner.build_dataloader(dict(runner.cfg.train_dataloader, pin_memory=True), seed=3)
    assert loader.pin_memory is there


def test_results_do_not_depend_on_workers(tmp_path):
    weights = []
    for workers in (0, 2):
        runner = build_toy_runner(toy_config(tmp_path / str(workers), train_cfg=dict(max_epochs=1), **{
            'train_dataloader.num_workers': workers}))
        runner.train()
        weights.append(runner.model.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_state_that_a_hook_adds_must_be_plain(tmp_path):
    from mmengine.hooks import Hook

    from avmm.utils import CheckpointError

    class Balance(Hook):
        def before_save_checkpoint(self, runner, checkpoint):
            checkpoint['balancing'] = dict(mine=dict(ratio=torch.ones(2), rule=self))

    runner = build_toy_runner(toy_config(tmp_path))
    runner.register_hook(Balance())
    with pytest.raises(CheckpointError, match=r'checkpoint\.balancing\.mine\.rule is a Balance'):
        runner.train()


def test_several_schedules_resume_with_the_right_config(tmp_path):
    from avmm.utils import CheckpointError
    build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1))).train()
    cfg = toy_config(tmp_path, resume=True)
    cfg.param_scheduler = [dict(type='MultiStepLR', milestones=[2]), dict(type='ConstantLR', factor=0.5)]
    with pytest.raises(CheckpointError, match='the checkpoint has 1 parameter schedules, the config 2'):
        build_toy_runner(cfg).train()


def test_the_console_shows_lines_and_the_file_everything(tmp_path, capsys):
    hooks = dict(default_hooks=dict(learning_curve=dict(type='LearningCurveHook')),
                 val_evaluator=dict(type='AVAccuracy'), train_cfg=dict(max_epochs=1), log_level='INFO')
    build_toy_runner(toy_config(tmp_path, **hooks)).train()
    shown = ''.join(capsys.readouterr())
    log, = tmp_path.glob('*/*.log')
    assert 'System environment' in log.read_text() and 'System environment' not in shown
    assert 'runner_type' in log.read_text() and 'runner_type' not in shown
    assert 'accuracy (%) after epoch 1: joint ' in shown
    assert f'curves: {tmp_path}/learning_curves.png' in shown


def test_none_takes_any_default_hook_out(tmp_path):
    none = dict(learning_curve=None, data_report=None, checkpoint=None)
    runner = build_toy_runner(toy_config(tmp_path, default_hooks=none))
    assert not {'LearningCurveHook', 'DataReportHook', 'CheckpointHook'} & {type(h).__name__ for h in runner.hooks}
