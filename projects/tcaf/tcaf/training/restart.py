"""Beginning anew inside a running process: weights, optimiser and schedules as on the first day."""
from __future__ import annotations

import copy

import torch
from mmengine.dist import broadcast
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from avmm.balancing import BalancingHook
from avmm.engine.checkpoint import load_state_dict
from avmm.registry import MODELS
from avmm.utils import ConfigError


def bare_model(runner: Runner) -> nn.Module:
    """The model without the wrapper of a distributed run."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def restart(runner: Runner) -> None:
    """Seed again, and give the run the weights, the optimiser and the schedules that its config and seed begin with.

    Everything changes in place: hooks, wrappers and compiled steps keep the objects that they hold.

    Args:
        runner: A runner made from a config.

    Raises:
        ConfigError: If its model or optimiser was given as an object.
    """
    cfg = runner.cfg
    if not isinstance(cfg.get('model'), dict) or not isinstance(cfg.get('optim_wrapper'), dict):
        raise ConfigError('the second stage begins with fresh weights and a fresh optimiser, which takes their '
                          'configs; start the run with Runner.from_cfg')
    seeds = dict(runner._randomness_cfg)
    if seeds.get('seed') is None:
        seeds['seed'] = runner.seed
    runner.set_randomness(**seeds)
    _restart_model(runner)
    _restart_optimizer(runner)
    if runner.param_schedulers is not None:
        runner.param_schedulers = runner.build_param_scheduler(copy.deepcopy(cfg.param_scheduler))
    for hook in runner.hooks:
        _restart_hook(hook)


def _restart_model(runner: Runner) -> None:
    fresh = MODELS.build(copy.deepcopy(runner.cfg.model))
    if hasattr(fresh, 'init_weights'):
        fresh.init_weights()
    model = bare_model(runner)
    load_state_dict(model, fresh.state_dict(), 'the fresh model')
    for value in model.state_dict().values():
        broadcast(value)


def _restart_optimizer(runner: Runner) -> None:
    fresh = runner.build_optim_wrapper(copy.deepcopy(runner.cfg.optim_wrapper))
    runner.scale_lr(fresh, runner.auto_scale_lr)
    for param in runner.model.parameters():
        param.grad = None
    runner.optim_wrapper.load_state_dict(fresh.state_dict())


@torch.no_grad()
def _restart_hook(hook) -> None:
    if isinstance(hook, EMAHook):
        # The first update after this copies the weights.
        hook.ema_model.steps.zero_()
        hook.ema_model.module.load_state_dict(hook.src_model.state_dict())
    elif isinstance(hook, EarlyStoppingHook):
        hook.wait_count, hook.best_score = 0, float('-inf' if hook.rule == 'greater' else 'inf')
    elif isinstance(hook, BalancingHook):
        hook.restart()
