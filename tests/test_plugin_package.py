"""A package outside the repository registers and trains like a project of it."""
from __future__ import annotations

import sys

import pytest

from avmm.testing import build_toy_runner
from avmm.utils import ConfigError
from avmm.utils.config import load_config
from avmm.utils.config_check import check_config

PACKAGE = '''
import torch
from avmm.balancing.base import BalancingHook
from avmm.models.base import AVModel
from avmm.registry import HOOKS, MODELS
from avmm.testing import ToyAVModel


@MODELS.register_module()
class OutsideModel(ToyAVModel):
    """A model that says how often it was asked for a loss."""
    asked = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        OutsideModel.asked += mode == 'loss'
        return super().forward(inputs, data_samples, mode)


@HOOKS.register_module()
class OutsideHalving(BalancingHook):
    """Halve the gradients of one branch."""

    def __init__(self, modality='audio', **kwargs):
        super().__init__(**kwargs)
        self.modality = modality

    def coefficients(self, scores):
        return {m: torch.tensor(0.5 if m == self.modality else 1.0) for m in self.model.modalities}
'''
CONFIG = '''
custom_imports = dict(imports=['avmm.testing', 'outside_methods.parts'])
default_scope = 'avmm'
runner_type = 'AVRunner'
model = dict(type='OutsideModel', num_classes=4)
train_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(type='ToyAVDataset', length=8),
                        sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(type='IterTrainLoop', max_iters=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
custom_hooks = [dict(type='OutsideHalving', modality='visual')]
randomness = dict(seed=0)
log_level = 'WARNING'
'''


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder with a package and a config, and the working directory in it."""
    package = tmp_path / 'outside_methods'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'parts.py').write_text(PACKAGE)
    (tmp_path / 'config.py').write_text(CONFIG + f'work_dir = {str(tmp_path / "work")!r}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    return tmp_path


def test_it_registers_and_trains(outside):
    cfg = load_config(outside / 'config.py')
    check_config(cfg)
    runner = build_toy_runner(cfg)
    runner.train()
    parts = sys.modules['outside_methods.parts']
    assert isinstance(runner.model, parts.OutsideModel) and parts.OutsideModel.asked == 2
    assert runner.message_hub.get_scalar('train/balance/visual').current() == 0.5
    assert runner.message_hub.get_scalar('train/balance/audio').current() == 1.0


def test_a_mistake_in_its_config_is_found_before_anything_is_built(outside):
    cfg = load_config(outside / 'config.py', {'custom_hooks.0.modalty': 'audio', 'model.type': 'OutsideModle'})
    with pytest.raises(ConfigError) as caught:
        check_config(cfg)
    assert "unknown argument 'modalty' of OutsideHalving; did you mean 'modality'?" in str(caught.value)
    assert "'OutsideModle' is not in the avmm::model registry; did you mean OutsideModel" in str(caught.value)
