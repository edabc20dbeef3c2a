"""Balancing hooks in whole runs: log, checkpoint, resume."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from avmm.balancing import OGM, OGMGE, Normal
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError


def run(work_dir, *hooks, visualizer=None, **overrides):
    cfg = toy_config(work_dir, custom_hooks=list(hooks), **{'train_cfg': dict(max_epochs=2), **overrides})
    if visualizer:
        cfg.visualizer = visualizer
    runner = build_toy_runner(cfg)
    runner.train()
    return runner


def scalars(runner) -> list[dict]:
    lines = Path(runner.log_dir, 'vis_data').glob('scalars.json')
    found = [json.loads(line) for path in lines for line in path.read_text().splitlines()]
    return [entry for entry in found if 'loss' in entry]


def model_weights(runner) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


def equal(first: dict, second: dict) -> bool:
    return all(torch.equal(first[k], second[k]) for k in first)


def test_coefficients_appear_in_the_log(tmp_path):
    runner = run(tmp_path, dict(type='OGMGE', alpha=0.8))
    entries = scalars(runner)
    assert len(entries) == 4
    for entry in entries:
        low, high = sorted((entry['balance/audio'], entry['balance/visual']))
        assert 0 < low < high <= 1
    history = runner.message_hub.get_scalar('train/balance/audio').data[0]
    assert len(history) == 4


def test_coefficients_appear_in_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run(tmp_path, dict(type='OGM', alpha=0.8),
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='TensorboardVisBackend')]))
    folder = next(tmp_path.rglob('events.out.tfevents*')).parent
    events = EventAccumulator(str(folder))
    events.Reload()
    assert {'balance/audio', 'balance/visual'} <= set(events.Tags()['scalars'])
    assert len(events.Scalars('balance/audio')) == 4


def test_the_window_is_counted_in_epochs_of_the_run(tmp_path):
    entries = scalars(run(tmp_path, dict(type='OGM', alpha=0.8, starts=0, ends=0)))
    assert min(entries[0]['balance/audio'], entries[0]['balance/visual']) < 1
    assert entries[-1]['balance/audio'] == entries[-1]['balance/visual'] == 1


def test_nothing_stays_on_the_model_after_training(tmp_path):
    runner = run(tmp_path, dict(type='OGMGE', alpha=0.8))
    assert not runner.model._forward_hooks and not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks


def test_normal_is_a_run_without_a_hook(tmp_path):
    plain = model_weights(run(tmp_path / 'plain'))
    normal = run(tmp_path / 'normal', dict(type='Normal', alpha=0.8, starts=0, ends=50))
    balanced = model_weights(run(tmp_path / 'ogm', dict(type='OGM', alpha=0.8)))
    assert equal(plain, model_weights(normal)) and not equal(plain, balanced)
    hook = next(h for h in normal.hooks if isinstance(h, Normal))
    assert not hook.get_triggered_stages()
    assert 'balance/audio' not in scalars(normal)[0]


def test_a_resumed_run_draws_the_noise_of_the_undisturbed_one(tmp_path):
    hook = dict(type='OGMGE', alpha=0.8)
    whole = run(tmp_path / 'whole', hook)
    parts = run(tmp_path / 'parts', hook, resume=True, load_from=str(tmp_path / 'whole' / 'epoch_1.pth'))
    assert equal(model_weights(whole), model_weights(parts))
    checkpoint = torch.load(tmp_path / 'parts' / 'epoch_2.pth', weights_only=True)
    assert checkpoint['balancing']['OGMGE']['method'] == {'noise': {'seed': 7, 'steps': 8}}


@pytest.mark.parametrize('stop', [3, 5])
def test_a_run_resumed_between_two_updates_keeps_its_scores(tmp_path, stop):
    common = dict(optim_wrapper=dict(accumulative_counts=2),
                  train_cfg=dict(type='IterTrainLoop', max_iters=8, val_interval=100),
                  param_scheduler=dict(type='ConstantLR', by_epoch=False, factor=1.0),
                  default_hooks=dict(checkpoint=dict(interval=1, by_epoch=False)))
    hook = dict(type='OGMGE', alpha=0.8)
    whole = run(tmp_path / 'whole', hook, **common)
    saved = torch.load(tmp_path / 'whole' / f'iter_{stop}.pth', weights_only=True)['balancing']['OGMGE']
    assert saved['scores'].shape == (2, )
    after = torch.load(tmp_path / 'whole' / f'iter_{stop + 1}.pth', weights_only=True)['balancing']['OGMGE']
    assert 'scores' not in after
    start = str(tmp_path / 'whole' / f'iter_{stop}.pth')
    parts = run(tmp_path / 'parts', hook, resume=True, load_from=start, **common)
    assert equal(model_weights(whole), model_weights(parts))
    last = [torch.load(tmp_path / name / 'iter_8.pth', weights_only=True)['balancing']['OGMGE']
            for name in ('whole', 'parts')]
    assert last[0] == last[1]


def test_weights_that_are_only_loaded_bring_no_state(tmp_path):
    run(tmp_path / 'first', dict(type='OGMGE', alpha=0.8, seed=3))
    second = run(tmp_path / 'second', dict(type='OGMGE', alpha=0.8, seed=4),
                 load_from=str(tmp_path / 'first' / 'epoch_2.pth'))
    hook = next(h for h in second.hooks if isinstance(h, OGMGE))
    assert hook.noise.state_dict() == {'seed': 4, 'steps': 8}


def test_two_hooks_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"two balancing hooks are named 'OGM'; give one of them another name="):
        run(tmp_path, dict(type='OGM'), dict(type='OGM', alpha=0.1))


def test_two_hooks_with_two_names_act_in_the_order_of_the_config(tmp_path):
    runner = run(tmp_path, dict(type='OGM', alpha=0.8), dict(type='OGM', alpha=0.1, name='weak', log_prefix='weak'))
    entry = scalars(runner)[0]
    assert entry['balance/audio'] != entry['weak/audio'] or entry['balance/visual'] != entry['weak/visual']
    names = [h.name for h in runner.hooks if isinstance(h, OGM)]
    assert names == ['OGM', 'weak']


def test_several_optimisers_are_refused(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path))
    runner.optim_wrapper = object()
    with pytest.raises(ConfigError, match='OGM acts on one optimiser, and this run has several'):
        OGM().before_train(runner)
