"""The parts of this project, and the two steps of its smoke config."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from avmm.registry import HOOKS, METRICS, MODELS
from avmm.testing import build_toy_runner
from avmm.utils import ConfigError
from avmm.utils.config import load_config
from avmm.utils.config_check import find_errors
from projects.example_project.example_project import (
    ExampleProjectBalancing,
    ExampleProjectFusion,
    ExampleProjectGap,
)

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def test_components_are_registered():
    assert MODELS.get('ExampleProjectFusion') is ExampleProjectFusion
    assert HOOKS.get('ExampleProjectBalancing') is ExampleProjectBalancing
    assert METRICS.get('ExampleProjectGap') is ExampleProjectGap


def test_fusion_is_the_sum_of_what_each_modality_says():
    fusion = ExampleProjectFusion(dict(audio=6, visual=4), num_classes=3)
    torch.nn.init.normal_(fusion.importance)
    feats = dict(audio=torch.rand(5, 6), visual=torch.rand(5, 4))
    alone = fusion.unimodal_logits(feats)
    torch.testing.assert_close(alone['audio'] + alone['visual'], fusion(feats))
    assert sum(fusion.weights().values()).item() == pytest.approx(2)


def test_hook_slows_down_the_modality_that_is_ahead():
    model = MODELS.build(dict(type='ToyAVModel', dropout=0.0))
    hook = ExampleProjectBalancing(power=2)
    hook.attach(model, torch.optim.SGD(model.parameters(), lr=0.1))
    coefficients = hook.coefficients(torch.tensor([4.0, 2.0]))
    assert {m: k.item() for m, k in coefficients.items()} == {'audio': 0.25, 'visual': 1.0}
    hook.detach()


def test_hook_refuses_a_negative_power():
    with pytest.raises(ConfigError, match='power=-1 would speed up the modality that is ahead; give 0 or more'):
        ExampleProjectBalancing(power=-1)


def test_metric():
    metric = ExampleProjectGap()
    one_hot = torch.eye(2)
    metric.process({}, [
        dict(gt_label=0, unimodal_scores=dict(audio=one_hot[0], visual=one_hot[0])),
        dict(gt_label=1, unimodal_scores=dict(audio=one_hot[1], visual=one_hot[0])),
        dict(gt_label=1, unimodal_scores=dict(audio=one_hot[1])),
    ])
    assert metric.evaluate(3) == {'gap/accuracy': 50.0}


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda p: p.stem)
def test_configs_hold_no_mistake(path):
    assert list(find_errors(load_config(path))) == []


def test_two_steps(tmp_path):
    cfg = load_config(CONFIGS / 'example_project_smoke.py', dict(work_dir=str(tmp_path), log_level='WARNING'))
    runner = build_toy_runner(cfg)
    before = runner.model.fusion.importance.detach().clone()
    runner.train()
    assert runner.iter == 2
    assert not torch.equal(before, runner.model.fusion.importance)
    assert 0 < runner.message_hub.get_scalar('train/balance/audio').current() <= 1
    assert 0 <= runner.message_hub.get_scalar('val/gap/accuracy').current() <= 100
