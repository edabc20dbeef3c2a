"""The log is bounded, exact where it promises to be, and reads tensors late."""
from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub

from avmm.engine.logging import AVMessageHub, BoundedBuffer
from avmm.testing import build_toy_runner, toy_config


def test_same_answers_as_history_buffer():
    values = np.random.default_rng(0).standard_normal(50)
    ours, theirs = BoundedBuffer(), HistoryBuffer()
    for i, value in enumerate(values):
        ours.update(float(value), i % 3 + 1)
        theirs.update(float(value), i % 3 + 1)
    for window in (1, 7, 50, 80, None):
        for name in ('mean', 'max', 'min'):
            assert ours.statistics(name, window) == pytest.approx(theirs.statistics(name, window), rel=1e-12)
    assert ours.current() == theirs.current()
    np.testing.assert_array_equal(ours.data[0], theirs.data[0])


def test_bounded_with_exact_epoch_and_run():
    buffer = BoundedBuffer(max_length=10)
    for value in range(100):
        buffer.update(value)
    buffer.start_epoch()
    for value in range(100, 160):
        buffer.update(value)
    assert len(buffer.data[0]) == 10
    assert buffer.mean('epoch') == pytest.approx(np.arange(100, 160).mean())
    assert buffer.mean('global') == pytest.approx(np.arange(160).mean())
    assert (buffer.min('epoch'), buffer.min(), buffer.max('epoch')) == (100, 0, 159)
    assert buffer.mean(4) == pytest.approx(157.5)
    again = BoundedBuffer.from_state(buffer.state())
    assert again.state() == buffer.state()


def test_tensors_wait_and_keep_their_order(monkeypatch):
    buffer = BoundedBuffer()
    crossings = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, 'tolist', lambda self: crossings.append(self.shape) or original(self))
    weight = torch.ones(1, requires_grad=True)
    for value in range(20):
        buffer.update((weight * value).sum())
    assert not crossings
    assert buffer._pending[0][0].grad_fn is None
    assert buffer.mean(5) == pytest.approx(17.0)
    buffer.update(20)
    assert buffer.current() == 20
    assert len(crossings) == 1


def test_one_crossing_for_all_scalars(monkeypatch):
    hub = AVMessageHub('one_crossing')
    for value in range(10):
        for key in 'abc':
            hub.update_scalar(f'train/{key}', torch.tensor(float(value)))
    crossings = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, 'tolist', lambda self: crossings.append(self.shape) or original(self))
    hub.flush()
    assert hub.get_scalar('train/b').mean(10) == 4.5
    assert len(crossings) == 1


def test_refuses_what_is_no_number():
    with pytest.raises(TypeError, match='a log value is a number or a tensor of one element, not str'):
        BoundedBuffer().update('high')


def test_state_of_the_hub_is_plain_and_comes_back():
    hub = AVMessageHub('source')
    hub.update_scalar('train/loss', np.float32(0.5))
    hub.update_scalar('train/time', 1.0, resumed=False)
    hub.update_info('best', np.float64(0.75))
    hub.update_info('thing', object())
    state = hub.state_dict()
    assert set(state['log_scalars']) == {'train/loss'}
    assert state['runtime_info'] == dict(best=0.75)
    other = AVMessageHub('target')
    other.load_state_dict(state)
    assert other.get_scalar('train/loss').current() == 0.5
    assert other.get_info('best') == 0.75


def test_the_hub_of_a_new_run_is_new_and_current():
    first = AVMessageHub.create('twice')
    first.update_info('old', 1)
    second = AVMessageHub.create('twice')
    assert MessageHub.get_current_instance() is second
    assert second.get_info('old') is None


def cost_of_an_iteration(hub, repeats=300):
    """Least of several means of 50 iterations with four scalars and one read, in seconds."""
    times = []
    for _ in range(repeats // 50):
        start = time.perf_counter()
        for _ in range(50):
            for key in ('loss', 'lr', 'time', 'data_time'):
                hub.update_scalar(f'train/{key}', 0.5)
            hub.get_scalar('train/time').current()
        times.append((time.perf_counter() - start) / 50)
    return min(times)


def test_an_iteration_costs_the_same_after_200_000():
    hub = AVMessageHub('long')
    cost_of_an_iteration(hub, 1000)
    early = cost_of_an_iteration(hub)
    for _ in range(200_000):
        for key in ('loss', 'lr', 'time', 'data_time'):
            hub.get_scalar(f'train/{key}').update(0.5)
    late = cost_of_an_iteration(hub)
    assert hub.get_scalar('train/loss').mean('global') == 0.5
    assert late < 3 * early + 20e-6
    assert len(hub.state_dict()['log_scalars']['train/loss']['values']) == 1000


def test_windows_of_the_log_processor(tmp_path):
    tags = []

    class Tags(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 == 8:
                tags.append(runner.log_processor.get_log_after_iter(runner, batch_idx, 'train')[0])

    custom = [dict(data_src='loss', log_name='loss_epoch', method_name='mean', window_size='epoch'),
              dict(data_src='loss', log_name='loss_run', method_name='max', window_size='global')]
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=2),
                                         log_processor=dict(window_size=2, custom_cfg=custom)))
    runner.register_hook(Tags())
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert tags[0]['loss'] == pytest.approx(losses[-2:].mean())
    assert tags[0]['loss_epoch'] == pytest.approx(losses[4:].mean())
    assert tags[0]['loss_run'] == pytest.approx(losses.max())


def test_unknown_window_is_named(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path, log_processor=dict(custom_cfg=[
        dict(data_src='loss', method_name='mean', window_size='week')])))
    with pytest.raises(TypeError, match='window_size is an integer, "epoch" or "global", not \'week\''):
        runner.train()
