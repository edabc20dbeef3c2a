from __future__ import annotations

import errno

import pytest
import torch
from torch.utils.data import DataLoader

from avmm.datasets import av_collate, shared_stack
from avmm.datasets.shared_stack import can_stack_shared, stack_shared
from avmm.structures import AVDataSample


class Clips:
    """Large rows of two types, small ones, and rows that are views."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        large = torch.full((3, 40, 50), index, dtype=torch.uint8)
        inputs = dict(visual=large, audio=torch.full((1, 40, 30), index / 7), small=torch.tensor([float(index)]),
                      turned=large.permute(1, 2, 0) + torch.arange(3, dtype=torch.uint8))
        return dict(inputs=inputs, data_samples=AVDataSample())


def test_batches_of_a_worker_have_the_numbers_of_a_stack():
    plain, shared = (list(DataLoader(Clips(), batch_size=3, num_workers=n, collate_fn=av_collate)) for n in (0, 1))
    assert len(shared) == 2
    for expected, batch in zip(plain, shared, strict=True):
        for name, value in expected['inputs'].items():
            got = batch['inputs'][name]
            assert got.dtype == value.dtype and torch.equal(got, value) and got.is_contiguous()
            assert got.is_shared() and not value.is_shared()
            got += 1


def test_only_a_worker_shares_and_only_where_it_gains(monkeypatch):
    values = [torch.zeros(64, 64)] * 2
    assert not can_stack_shared(values)
    monkeypatch.setattr(shared_stack, 'get_worker_info', object)
    assert can_stack_shared(values)
    for others in ([torch.zeros(3)] * 2, [torch.zeros(64, 128)[:, ::2]] * 2, [v.bfloat16() for v in values],
                   [v.clone().requires_grad_() for v in values]):
        assert not can_stack_shared(others)


def test_a_stack_of_one_and_of_many():
    for count in (1, 5):
        values = [torch.randn(3, 700) for _ in range(count)]
        assert torch.equal(stack_shared(values), torch.stack(values))


@pytest.mark.parametrize('code', [None, errno.ENOSPC])
def test_full_shared_memory_is_an_error(monkeypatch, code):
    def write(file, data, offset):
        if code is not None:
            raise OSError(code, 'full')
        return 100

    monkeypatch.setattr(shared_stack.os, 'pwrite', write)
    with pytest.raises(OSError, match='the shared memory is full .*take fewer workers or smaller batches'):
        stack_shared([torch.zeros(64, 64)] * 2)


def test_another_error_of_writing_stays_itself(monkeypatch):
    def write(file, data, offset):
        raise OSError(errno.EIO, 'broken')

    monkeypatch.setattr(shared_stack.os, 'pwrite', write)
    with pytest.raises(OSError, match='broken'):
        stack_shared([torch.zeros(64, 64)] * 2)
