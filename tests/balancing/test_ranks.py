"""Several ranks give the update of one, and stay replicas of each other."""
from __future__ import annotations

import pytest
import torch

from avmm.testing import run_ranks
from tests.balancing.balance_cases import assert_same, part, toy_batch, toy_model, train, weights

STEPS = 3
# Method, and number of micro-batches that a rank makes of its share.
CASES = [('OGM', 1), ('OGMGE', 1), ('OGMGE', 2)]


def hook_of(kind: str):
    from avmm.registry import HOOKS
    return HOOKS.build(dict(type=kind, alpha=0.8))


def train_shares(cases: list) -> list[dict]:
    """What one rank does: train on its share of each batch of 64."""
    import torch.distributed as dist

    from avmm.engine import AVDistributedDataParallel
    rank, world = dist.get_rank(), dist.get_world_size()
    results = []
    for kind, micro in cases:
        model = AVDistributedDataParallel(toy_model())
        # The global generators differ from rank to rank, which must not matter.
        torch.manual_seed(100 + rank)
        hook, size = hook_of(kind), 64 // world // micro
        batches = [part(toy_batch(64, seed), slice((rank * micro + i) * size, (rank * micro + i + 1) * size))
                   for seed in range(STEPS) for i in range(micro)]
        train(model, batches, hook, accumulative_counts=micro)
        results.append(dict(weights=weights(model.module), log={m: float(v) for m, v in hook.read_log().items()}))
    return results


def test_two_ranks_of_32_are_one_of_64():
    first, second = run_ranks(train_shares, 2, (CASES, ))
    for (kind, _), one, other in zip(CASES, first, second, strict=True):
        model, hook = toy_model(), hook_of(kind)
        train(model, [toy_batch(64, seed) for seed in range(STEPS)], hook)
        alone = {m: float(v) for m, v in hook.read_log().items()}
        assert_same(one['weights'], other['weights'], rtol=0, atol=0)
        assert_same(one['weights'], weights(model), rtol=1e-4, atol=1e-6)
        assert one['log'] == other['log'] == pytest.approx(alone, rel=1e-5)
        assert min(alone.values()) < 0.9
