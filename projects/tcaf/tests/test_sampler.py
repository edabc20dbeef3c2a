"""Every class equally often, in batches that a resumed run and several ranks find again."""
from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import BatchSampler

from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.sampler import GZSLSampler, class_weights, clip_weights, fixed_counts

LABELS = np.random.default_rng(0).permutation(np.repeat([2, 3, 9], [5, 20, 175]))


class Labelled:
    labels = LABELS

    def __len__(self):
        return len(LABELS)


def test_classes_are_equally_likely():
    sampler = GZSLSampler(Labelled(), num_batches=300, batch_size=20, seed=0)
    drawn = LABELS[sampler.order(0)]
    assert len(drawn) == len(sampler) == 6000
    for label in (2, 3, 9):
        assert abs((drawn == label).mean() - 1 / 3) < 0.02
    assert len(set(sampler.order(0)[drawn == 2])) == 5


def test_weights_between_classes_and_clips():
    weights, clips, counts = class_weights(LABELS, 0.5)
    np.testing.assert_allclose(weights, 0.5 / 3 + 0.5 * np.array([5, 20, 175]) / 200)
    assert LABELS[clips].tolist() == sorted(LABELS) and counts.tolist() == [5, 20, 175]
    assert (np.diff(clips[:5]) > 0).all()
    np.testing.assert_allclose(clip_weights(LABELS, 0)[0], 1 / 200)


def test_an_epoch_is_a_function_of_seed_and_epoch():
    sampler, same = (GZSLSampler(Labelled(), 4, 8, seed=1) for _ in range(2))
    assert np.array_equal(sampler.order(3), same.order(3))
    assert not np.array_equal(sampler.order(3), sampler.order(4))
    assert not np.array_equal(sampler.order(3), GZSLSampler(Labelled(), 4, 8, seed=2).order(3))


def test_a_resumed_epoch_goes_on_at_its_batch():
    sampler = GZSLSampler(Labelled(), 5, 8, seed=1)
    batches = list(BatchSampler(sampler, 8, False))
    sampler.skip(16)
    assert list(BatchSampler(sampler, 8, False)) == batches[2:] and len(batches) == 5
    assert batches[2][3].position == 19


def test_ranks_share_the_batches_of_one(monkeypatch):
    whole = list(GZSLSampler(Labelled(), 5, 8, seed=1))
    monkeypatch.setattr('mmengine.dist.get_dist_info', lambda: (1, 2))
    second = list(GZSLSampler(Labelled(), 5, 8, seed=1))
    assert second == whole[1::2] and sorted(second[:4]) == sorted(whole[1:8:2])


def test_fixed_batches():
    assert fixed_counts(LABELS, 16).tolist() == [6, 5, 5]
    assert fixed_counts(LABELS, 16, alpha=0).tolist() == [0, 2, 14]
    sampler = GZSLSampler(Labelled(), 7, 16, variant='fixed', seed=0)
    for batch in LABELS[sampler.order(0)].reshape(7, 16):
        assert [(batch == label).sum() for label in (2, 3, 9)] == [6, 5, 5]
    # 42 draws from five clips: all of them before one comes again.
    small = sampler.order(0)[LABELS[sampler.order(0)] == 2]
    assert sorted(np.bincount(small)[np.unique(small)]) == [8, 8, 8, 9, 9]


def test_it_is_built_from_a_config_and_says_what_is_wrong():
    built = DATA_SAMPLERS.build(dict(type='GZSLSampler', num_batches=2, batch_size=3, seed=0),
                                default_args=dict(dataset=Labelled()))
    assert len(built) == 6
    for options, message in ((dict(shuffle=False), 'it cannot take shuffle=False'),
                             (dict(num_batches=0), 'num_batches and batch_size must be at least 1'),
                             (dict(alpha=2), 'alpha 0 to 1'),
                             (dict(variant='x'), "variant is 'multinomial' or 'fixed'"),
                             (dict(variant='fixed', draws='global'), "draws='global' goes with")):
        with pytest.raises(ConfigError, match=message):
            GZSLSampler(Labelled(), seed=0, **options)
    with pytest.raises(ConfigError, match='a batch of 5 is too small to hold fixed shares of 8 classes'):
        fixed_counts(np.arange(8), 5)
