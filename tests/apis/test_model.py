"""A model from its config and its weights."""
from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from avmm.apis import init_model
from avmm.utils import CheckpointError, ConfigError

MODEL = dict(type='AVClassifier', num_classes=3, fusion=dict(type='ConcatFusion'),
             encoders=dict(audio=dict(type='SmallConvNet', in_channels=1, widths=(4, ))))


def test_weights_come_from_the_checkpoint_or_the_seed(tmp_path):
    cfg = Config(dict(model=MODEL))
    first, same, other = init_model(cfg), init_model(cfg), init_model(cfg, seed=1)
    x = dict(audio=torch.rand(1, 1, 8, 8))
    assert not first.training
    assert torch.equal(first(x), same(x)) and not torch.equal(first(x), other(x))
    torch.save(dict(state_dict=other.state_dict()), tmp_path / 'other.pth')
    assert torch.equal(init_model(cfg, tmp_path / 'other.pth')(x), other(x))


def test_a_config_file_will_do(tmp_path):
    (tmp_path / 'config.py').write_text(f'model = {MODEL!r}')
    assert init_model(tmp_path / 'config.py').num_classes == 3


def test_errors_name_what_is_wrong(tmp_path):
    with pytest.raises(ConfigError, match='has no model'):
        init_model(Config(dict()))
    with pytest.raises(ConfigError, match=r'absent\.py: no such config file'):
        init_model(tmp_path / 'absent.py')
    torch.save(dict(state_dict=dict(a=torch.ones(1))), tmp_path / 'foreign.pth')
    with pytest.raises(CheckpointError, match=r'foreign\.pth'):
        init_model(Config(dict(model=MODEL)), tmp_path / 'foreign.pth')
