"""Several ranks give the update of one, and stay replicas of each other."""
from __future__ import annotations

import pytest
import torch

from avmm.testing import run_ranks
from tests.balancing.balance_cases import assert_same, part, toy_batch, toy_model, train, weights

STEPS = 3
# Method, and number of micro-batches that a rank makes of its share.
CASES = [('OGM', 1), ('OGMGE', 1), ('OGMGE', 2), ('InverseEffectiveness', 1), ('InverseEffectiveness', 2)]
OPTIONS = dict(OGM=dict(alpha=0.8), OGMGE=dict(alpha=0.8),
               InverseEffectiveness=dict(params=dict(pattern='^classifier')), MMPareto={},
               LFM=dict(space='feature', weights='fitted'))
# Methods with an objective of their own.
OBJECTIVES = ['InverseEffectiveness', 'LFM', 'MMPareto']


def hook_of(kind: str):
    from avmm.registry import HOOKS
    return HOOKS.build(dict(type=kind, **OPTIONS[kind]))


def opposed_model():
    """A model whose audio branch is pulled two ways."""
    model = toy_model()
    usual = model.unimodal_logits
    model.unimodal_logits = lambda feats: {m: -z if m == 'audio' else z for m, z in usual(feats).items()}
    return model


def train_objectives(kinds: list[str]) -> list[dict]:
    """What one rank does: whole training steps on its share of each batch of 64."""
    import torch.distributed as dist
    from mmengine.optim import OptimWrapper

    from avmm.engine import AVDistributedDataParallel
    rank, world = dist.get_rank(), dist.get_world_size()
    results = []
    for kind in kinds:
        model = AVDistributedDataParallel(opposed_model())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        hook = hook_of(kind)
        hook.attach(model, optimizer)
        size = 64 // world
        for seed in range(STEPS):
            model.train_step(part(toy_batch(64, seed), slice(rank * size, (rank + 1) * size)),
                             OptimWrapper(optimizer))
        results.append(dict(weights=weights(model.module), log={m: float(v) for m, v in hook.read_log().items()}))
    return results


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
        assert max(abs(value - 1) for value in alone.values()) > 0.03


def test_objectives_of_two_ranks_are_those_of_one():
    from mmengine.optim import OptimWrapper
    first, second = run_ranks(train_objectives, 2, (OBJECTIVES, ))
    for kind, one, other in zip(OBJECTIVES, first, second, strict=True):
        model, hook = opposed_model(), hook_of(kind)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        hook.attach(model, optimizer)
        for seed in range(STEPS):
            model.train_step(toy_batch(64, seed), OptimWrapper(optimizer))
        alone = {m: float(v) for m, v in hook.read_log().items()}
        assert_same(one['weights'], other['weights'], rtol=0, atol=0)
        assert_same(one['weights'], weights(model), rtol=1e-4, atol=1e-5)
        assert one['log'] == pytest.approx(alone, rel=1e-4)
