"""Both stages on two ranks: one model, one answer, and the same files after an interruption."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from avmm.engine.checkpoint import load_checkpoint
from avmm.testing import build_toy_runner, run_ranks
from projects.tcaf.tests.toy_gzsl import toy_gzsl_config

#: Splits of 55 clips at most: the last round of the test is not full.
TWO = {'launcher': 'pytorch', 'train_dataloader.batch_size': 4, 'train_cfg.max_epochs': 3,
       'train_cfg.stage2_epochs': 'all', **{f'{s}_dataloader.dataset.per_class': 5 for s in ('train', 'val', 'test')}}


class Crash(Exception):
    """The end of a run on every rank."""


class CrashHook(Hook):
    """Ends the run after an iteration, counted over both stages."""

    priority = 'LOWEST'

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            raise Crash


def _train(work_dir, crash=None, **overrides):
    """What a run leaves on this rank: weights with running statistics, records, the metrics of the test."""
    torch.set_num_threads(1)
    runner = build_toy_runner(toy_gzsl_config(work_dir, **TWO, **overrides))
    metrics = {}
    evaluate = runner.test_evaluator.evaluate
    runner.test_evaluator.evaluate = lambda size: metrics.update(evaluate(size)) or metrics
    try:
        if crash:
            runner.register_hook(CrashHook(crash))
        runner.train()
    except Crash:
        return runner.iter
    loop = runner.train_loop
    return dict(weights={k: v.clone() for k, v in runner.model.module.state_dict().items()}, iter=runner.iter,
                records=loop.records_state(), metrics=metrics)


def _several(folder):
    """What the tests ask of two ranks, so that the processes start once."""
    return dict(whole=_train(f'{folder}/whole'), full=_train(f'{folder}/full', **{'val_cfg.loss': 'full'}),
                crashed=[_train(f'{folder}/cut', crash=n, resume=bool(i)) for i, n in enumerate((8, 19))],
                resumed=_train(f'{folder}/cut', resume=True))


@pytest.fixture(scope='module')
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return folder, run_ranks(_several, 2, args=[str(folder)])


def assert_same(one, other):
    assert {k: one[k] for k in ('records', 'metrics', 'iter')} == {k: other[k] for k in ('records', 'metrics', 'iter')}
    for name, value in one['weights'].items():
        assert torch.equal(value, other['weights'][name]), name


@pytest.mark.slow
@pytest.mark.parametrize('loss', ['whole', 'full'])
def test_ranks_agree_on_weights_statistics_records_and_metrics(two_ranks, loss):
    _, (zero, one) = two_ranks
    assert_same(zero[loss], one[loss])
    assert zero[loss]['iter'] == 2 * 3 * 5 and zero[loss]['records'][1]['best_loss'] > 0


@pytest.mark.slow
def test_one_process_measures_what_two_ranks_measured(two_ranks, tmp_path):
    folder, (zero, _) = two_ranks
    outcome = json.loads(Path(folder, 'whole/zero_shot.json').read_text())
    cfg = toy_gzsl_config(tmp_path, load_from=str(folder / 'whole' / outcome['checkpoint']),
                          **{k: v for k, v in TWO.items() if k != 'launcher'})
    for key in ('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'val_cfg', 'val_dataloader',
                'val_evaluator'):
        cfg[key] = None
    alone = build_toy_runner(cfg).test()
    for name in ('seen', 'unseen', 'hm', 'zsl', 'beta'):
        assert alone[f'gzsl/{name}'] == pytest.approx(zero['whole']['metrics'][f'gzsl/{name}']), name


@pytest.mark.slow
def test_two_ranks_resume_in_either_stage(two_ranks):
    folder, results = two_ranks
    for rank in results:
        assert rank['crashed'] == [7, 18]
        assert_same(rank['whole'], rank['resumed'])
    files = [sorted(p.name for p in (folder / name).glob('*_*stage*.pth')) for name in ('whole', 'cut')]
    assert files[0] == files[1] != []
    assert len(load_checkpoint(folder / 'whole/stage2_epoch_3.pth')['rng']) == 2
