"""When the AVE baselines validate and what they keep."""
from __future__ import annotations

import pytest
from mmengine.hooks import Hook

import projects.cmran.cmran  # noqa: F401
from avmm.registry import LOOPS
from avmm.testing import build_toy_runner, toy_config


@pytest.mark.parametrize('begin, epochs, expected', [(1, 8, [1, 4, 7]), (2, 8, [2, 5, 8]), (9, 8, [])])
def test_validation_is_counted_from_the_first(tmp_path, begin, epochs, expected):
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(
        type='OffsetEpochTrainLoop', max_epochs=epochs, val_begin=begin, val_interval=3)))
    validated = []

    class Recorder(Hook):
        def after_val_epoch(self, runner, metrics=None):
            validated.append(runner.epoch)

    runner.register_hook(Recorder())
    runner.train()
    assert validated == expected and isinstance(runner.train_loop, LOOPS.get('OffsetEpochTrainLoop'))


def test_last_validated_checkpoint_is_kept(tmp_path):
    """The published weak network is the one that was validated last, not the one that was trained last."""
    cfg = toy_config(
        tmp_path, train_cfg=dict(type='OffsetEpochTrainLoop', max_epochs=8, val_interval=3),
        default_hooks=dict(checkpoint=dict(interval=3, save_begin=1, save_last=False, max_keep_ckpts=1)))
    build_toy_runner(cfg).train()
    assert [p.name for p in tmp_path.glob('epoch_*.pth')] == ['epoch_7.pth']
