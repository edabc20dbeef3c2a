"""A loss that is not a number stops the run before it does harm."""
from __future__ import annotations

import pytest
import torch

from avmm.engine.checkpoint import load_checkpoint
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import NonFiniteLossError


def test_names_the_cause_and_saves_the_last_good_state(tmp_path):
    """BatchNorm statistics are those before the bad batch, although its forward pass has changed them."""
    options = {'model.batch_norm': True, 'train_dataloader.sampler.shuffle': False}
    stopped = build_toy_runner(toy_config(tmp_path / 'bad', **options, **{'train_dataloader.dataset.poison': [21]}))
    with pytest.raises(NonFiniteLossError) as caught:
        stopped.train()
    message = str(caught.value)
    cause = 'iteration 3: the loss is not finite: loss=nan, loss_cls=nan; samples of the batch: toy_16'
    assert message.startswith(cause)
    assert 'toy_21' in message
    assert message.endswith('the state before it is saved to iter_2.pth')
    good = build_toy_runner(toy_config(tmp_path / 'good', **options, val_cfg=None, val_dataloader=None,
                                       val_evaluator=None, param_scheduler=None,
                                       train_cfg=dict(type='IterTrainLoop', max_iters=2)))
    good.train()
    saved = load_checkpoint(tmp_path / 'bad' / 'iter_2.pth')
    assert saved['loop']['consumed'] == 2 and saved['meta']['iter'] == 2
    assert any('running_mean' in name for name in saved['state_dict'])
    for name, value in good.model.state_dict().items():
        assert torch.equal(saved['state_dict'][name], value), name


def test_the_run_goes_on_from_there(tmp_path):
    options = {'train_dataloader.sampler.shuffle': False}
    with pytest.raises(NonFiniteLossError):
        build_toy_runner(toy_config(tmp_path, **options, **{'train_dataloader.dataset.poison': [21]})).train()
    runner = build_toy_runner(toy_config(tmp_path, resume=True, **options))
    runner.train()
    assert runner.iter == 12
    assert runner.message_hub.get_scalar('train/loss').data[0].shape == (12, )


def test_first_iteration_of_an_epoch_does_not_validate_twice(tmp_path):
    """The state after the first epoch is saved a second time, after its validation."""
    runner = build_toy_runner(toy_config(tmp_path, **{'train_dataloader.sampler.shuffle': False}))

    def poison(model, inputs):
        if runner.iter == 4 and runner.model.training:
            runner.model.classifier.bias.data[0] = float('inf')

    runner.model.register_forward_pre_hook(poison)
    with pytest.raises(NonFiniteLossError, match='iteration 5: .* saved to iter_4.pth'):
        runner.train()
    assert load_checkpoint(tmp_path / 'iter_4.pth')['loop'] == dict(
        consumed=0, batch_size=8, world_size=1, validation_due=False)
    assert load_checkpoint(tmp_path / 'epoch_1.pth')['loop']['validation_due']
