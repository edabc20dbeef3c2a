"""Batches in memory that is used again."""
from __future__ import annotations

import gc
import pickle
import sys
import threading
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from avmm.utils import batch_buffers
from avmm.utils.batch_buffers import BatchBuffers


class Numbers(Dataset):
    """Batches of equal numbers, read all at once."""

    def __init__(self, length: int = 40, size: int = 2000, limit: int = 16):
        self.length, self.size, self.buffers = length, size, BatchBuffers(limit)

    def __len__(self) -> int:
        return self.length

    def __getitems__(self, indices):
        batch = self.buffers.empty('x', (len(indices), self.size), 'float32')
        batch.copy_(torch.tensor(indices, dtype=torch.float32)[:, None].expand_as(batch))
        return batch


def loader(dataset, **options):
    return DataLoader(dataset, batch_size=4, collate_fn=lambda batch: batch, **options)


def first_numbers(batches) -> list[list[int]]:
    return [batch[:, 0].int().tolist() for batch in batches]


EXPECTED = [[i, i + 1, i + 2, i + 3] for i in range(0, 40, 4)]


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_batches_that_are_kept_never_change(workers):
    kept = list(loader(Numbers(limit=3), num_workers=workers))
    assert first_numbers(kept) == EXPECTED
    assert all((batch == batch[:, :1]).all() for batch in kept)
    assert all(type(batch) is torch.Tensor for batch in kept)


def test_the_memory_of_a_forgotten_batch_is_used_again():
    batches = loader(Numbers(), num_workers=1, persistent_workers=True)
    for _ in range(3):
        places = []
        for batch, expected in zip(batches, EXPECTED, strict=True):
            assert first_numbers([batch]) == [expected]
            places.append(batch.data_ptr())
            del batch
    # Two batches ahead, one in use, one on its way.
    assert len(set(places)) <= 5


def test_a_view_keeps_its_batch():
    views = [batch[1:, :1].expand(-1, 2) for batch in loader(Numbers(), num_workers=1)]
    gc.collect()
    assert first_numbers(views) == [numbers[1:] for numbers in EXPECTED]


def test_blocks_of_workers_that_have_ended_are_given_back():
    for _ in range(3):
        assert len(list(loader(Numbers(), num_workers=1))) == 10
        owners = {token[0] for token in batch_buffers._received}
    assert len(owners) <= 2


def test_without_workers_memory_is_used_again_too():
    buffers = BatchBuffers(limit=2)
    first = buffers.empty('x', (3, 4), 'float16')
    place = first.data_ptr()
    second, third = buffers.empty('x', (3, 4), 'float16'), buffers.empty('x', (3, 4), 'float16')
    assert first.dtype == torch.float16 and len({place, second.data_ptr(), third.data_ptr()}) == 3
    del first
    assert buffers.empty('x', (2, 2), 'float32').data_ptr() == place
    assert buffers.empty('x', (0, 2), 'float32').shape == (0, 2)


def test_a_larger_batch_replaces_smaller_blocks():
    buffers = BatchBuffers(limit=1)
    place = buffers.empty('x', (4, ), 'float32').data_ptr()
    large = buffers.empty('x', (4000, ), 'float32')
    assert large.data_ptr() != place and len(buffers._blocks['x']) == 1


def test_small_tensors_and_types_that_numpy_lacks_get_memory_of_their_own():
    buffers = BatchBuffers(least=1000)
    assert buffers.empty('x', (10, ), torch.float32).shape == (10, ) and not buffers._blocks.get('x')
    assert buffers.empty('x', (1000, ), torch.bfloat16).dtype == torch.bfloat16 and not buffers._blocks.get('x')
    assert buffers.empty('x', (1000, ), torch.float32).dtype == torch.float32 and len(buffers._blocks['x']) == 1


def test_threads_do_not_share_a_block():
    buffers, faults = BatchBuffers(limit=8), []

    def work(number: int) -> None:
        for _ in range(300):
            mine = buffers.empty('x', (50, ), 'int64').fill_(number)
            time.sleep(0)
            if not mine.eq(number).all():
                faults.append(number)

    threads = [threading.Thread(target=work, args=(i, )) for i in range(6)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert not faults and 1 <= len(buffers._blocks['x']) <= 8


def test_it_can_be_pickled():
    buffers = BatchBuffers(limit=5, least=2)
    buffers.empty('x', (4, ), 'float32')
    again = pickle.loads(pickle.dumps(buffers))
    assert (again.limit, again.least) == (5, 2) and again.empty('x', (2, ), 'int64').shape == (2, )


def test_results_in_a_worker_are_ordinary_tensors(monkeypatch):
    monkeypatch.setattr(batch_buffers, 'get_worker_info', lambda: object())
    shared = BatchBuffers().empty('x', (3, ), 'float32').fill_(2)
    assert type(shared + 1) is torch.Tensor and (shared + 1).tolist() == [3, 3, 3]
    again = pickle.loads(pickle.dumps(shared))
    assert type(again) is torch.Tensor and again.tolist() == [2, 2, 2]
    shared.fill_(5)
    assert again.tolist() == [5, 5, 5]


def test_where_memory_cannot_be_shared_batches_are_sent_as_usual(monkeypatch):
    monkeypatch.setattr(batch_buffers, '_can_share', lambda: False)
    assert first_numbers(loader(Numbers(), num_workers=1)) == EXPECTED
