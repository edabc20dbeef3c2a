from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from mmengine import dist
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader, Dataset

from avmm.datasets.samplers import (
    AVSampler,
    ClassBalancedSampler,
    DefaultSampler,
    SampleIndex,
    WeightedSampler,
    inverse_frequency_weights,
    sample_rng,
)
from avmm.registry import DATA_SAMPLERS
from avmm.utils import ConfigError, DataError


class Labelled(Dataset):
    """Eight, three and one samples of three classes; an item is its draw."""

    labels = np.array([0] * 8 + [1] * 3 + [2])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.tensor([int(index), index.seed, index.epoch, index.position])


@pytest.fixture
def as_rank(monkeypatch):

    def pretend(rank, world):
        monkeypatch.setattr(dist, 'get_dist_info', lambda: (rank, world))

    return pretend


def test_sample_index_is_an_int_and_survives_pickling():
    draw = pickle.loads(pickle.dumps(SampleIndex(5, seed=1, epoch=2, position=3)))
    assert draw == 5 and isinstance(draw, SampleIndex)
    assert (draw.seed, draw.epoch, draw.position) == (1, 2, 3)
    assert [10, 11, 12, 13, 14, 15][draw] == 15


def test_sample_rng_depends_on_the_draw_alone():
    same = [sample_rng(SampleIndex(i, 1, 2, 3)).random() for i in (0, 9)]
    assert same[0] == same[1]
    others = [sample_rng(SampleIndex(0, *draw)).random() for draw in [(1, 2, 4), (1, 3, 3), (2, 2, 3)]]
    assert len({same[0], *others}) == 4
    assert sample_rng(4).random() == sample_rng(SampleIndex(9, 0, 0, 4)).random()


@pytest.mark.parametrize('words', [(0, 0, 0), (5, 1, 7), (2 ** 32 - 1, 2, 3), (2 ** 32, 2, 3), (2 ** 70, 0, 1)])
def test_sample_rng_is_the_generator_of_the_three_numbers(words):
    assert sample_rng(SampleIndex(0, *words)).random() == np.random.default_rng(words).random()


def test_default_sampler_replaces_that_of_mmengine_in_our_scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        sampler = DATA_SAMPLERS.build(dict(type='DefaultSampler', dataset=Labelled(), seed=3, shuffle=False))
    assert isinstance(sampler, DefaultSampler) and isinstance(sampler, AVSampler)
    assert list(sampler) == list(range(12))


def test_shuffled_orders_are_permutations_that_change_with_the_epoch():
    sampler = DefaultSampler(Labelled(), seed=3)
    first = list(sampler)
    assert sorted(first) == list(range(12)) and first == list(DefaultSampler(Labelled(), seed=3))
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert {draw.epoch for draw in sampler} == {1}


@pytest.mark.parametrize('world', [2, 5])
@pytest.mark.parametrize('round_up', [True, False])
def test_ranks_share_one_global_sequence(as_rank, world, round_up):
    drawn = {}
    for rank in range(world):
        as_rank(rank, world)
        sampler = DefaultSampler(Labelled(), seed=1, round_up=round_up)
        sampler.set_epoch(4)
        mine = list(sampler)
        assert len(mine) == len(sampler)
        drawn.update({draw.position: int(draw) for draw in mine})
    as_rank(0, 1)
    order = DefaultSampler(Labelled(), seed=1).order(4)
    size = -(-12 // world) * world if round_up else 12
    assert [drawn[p] for p in range(len(drawn))] == [order[p % 12] for p in range(size)]


def test_skip_leaves_out_the_first_samples_of_the_rank_once(as_rank):
    as_rank(1, 2)
    sampler = DefaultSampler(Labelled(), seed=1)
    whole = list(sampler)
    sampler.skip(4)
    rest = list(sampler)
    assert rest == whole[4:] and [d.position for d in rest] == [9, 11]
    assert list(sampler) == whole
    assert len(sampler) == 6


def test_skip_refuses_more_than_an_epoch():
    with pytest.raises(ConfigError, match='cannot skip 13 of the 12 samples'):
        DefaultSampler(Labelled(), seed=0).skip(13)


def test_negative_seed_is_refused():
    with pytest.raises(ConfigError, match='seed of a sampler must be 0 or more, got -1'):
        DefaultSampler(Labelled(), seed=-1)


def test_without_a_seed_one_is_drawn():
    assert DefaultSampler(Labelled()).seed >= 0


def test_class_balanced_draws_each_class_equally_often_and_all_members_first():
    sampler = ClassBalancedSampler(Labelled(), seed=0, num_samples=24)
    order = sampler.order(0)
    assert np.bincount(Labelled.labels[order]).tolist() == [8, 8, 8]
    assert set(order[Labelled.labels[order] == 0]) == set(range(8))
    assert not np.array_equal(order, sampler.order(1))
    assert len(sampler) == 24


def test_class_balanced_without_shuffling_takes_turns():
    assert ClassBalancedSampler(Labelled(), seed=0, shuffle=False).order(0)[:6].tolist() == [0, 8, 11, 1, 9, 11]


def test_class_balanced_takes_multi_label_samples_from_get_cat_ids():

    class Multi:
        ids = [[0, 1], [1], [1], [1]]

        def __len__(self):
            return 4

        def get_cat_ids(self, index):
            return self.ids[index]

    order = ClassBalancedSampler(Multi(), seed=0, num_samples=400).order(0)
    # Class 0 is always sample 0; class 1 is each of the four in turn.
    assert np.bincount(order).tolist() == [250, 50, 50, 50]


def test_label_samplers_say_what_they_miss():
    with pytest.raises(ConfigError, match='list has neither labels nor get_cat_ids'):
        ClassBalancedSampler([1, 2, 3], seed=0)


def test_weighted_draws_in_proportion():
    weights = [0.0] * 10 + [1.0, 3.0]
    order = WeightedSampler(Labelled(), weights=weights, seed=5, num_samples=4000).order(0)
    share = np.bincount(order, minlength=12) / 4000
    assert set(order) == {10, 11} and abs(share[11] - 0.75) < 0.03


def test_weighted_repeats_do_not_repeat_their_augmentation():
    draws = list(WeightedSampler(Labelled(), weights=[0.0] * 11 + [1.0], seed=5))
    assert set(draws) == {11} and len({sample_rng(d).random() for d in draws}) == 12


def test_inverse_frequency_weights_follow_the_formula():
    weights = inverse_frequency_weights([[0], [0, 1], [0]])
    assert weights == pytest.approx([1000 / 3.01, 1000 / 3.01 + 1000 / 1.01, 1000 / 3.01])
    sampler = WeightedSampler(Labelled(), weights='inverse_frequency', seed=0)
    per_class = np.bincount(Labelled.labels, weights=sampler.probabilities)
    assert per_class == pytest.approx([1 / 3] * 3, abs=5e-3)


def test_weight_file(tmp_path):
    path = tmp_path / 'w.csv'
    np.savetxt(path, np.arange(12.0))
    assert WeightedSampler(Labelled(), weight_file=str(path), seed=0).probabilities[11] == pytest.approx(11 / 66)
    path.write_text('1\nx2\n')
    with pytest.raises(DataError, match=r"w.csv:2: 'x2' is not a number"):
        WeightedSampler(Labelled(), weight_file=str(path), seed=0)
    path.write_text('1\n2\n')
    with pytest.raises(DataError, match=r'w.csv: 2 weights for a data set of 12 samples'):
        WeightedSampler(Labelled(), weight_file=str(path), seed=0)
    with pytest.raises(DataError, match='none.csv: the weight file is missing'):
        WeightedSampler(Labelled(), weight_file=str(tmp_path / 'none.csv'), seed=0)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(), 'either weights or weight_file'),
    (dict(weights='equal'), "'inverse_frequency', got 'equal'"),
    (dict(weights=[1.0] * 11 + [-1.0]), 'finite, 0 or more'),
    (dict(weights=[1.0] * 12, shuffle=False), 'cannot take shuffle=False'),
    (dict(weights=[0.0] + [1.0] * 11, replacement=False), 'cannot draw 12 samples without replacement from 11'),
    (dict(weights=[1.0] * 12, num_samples=0), 'num_samples must be at least 1'),
])
def test_weighted_refuses(options, message):
    with pytest.raises(ConfigError, match=message):
        WeightedSampler(Labelled(), seed=0, **options)


def test_draws_reach_the_data_set_through_workers():
    sampler = DefaultSampler(Labelled(), seed=6)
    sampler.set_epoch(2)
    batches = [
        torch.cat(list(DataLoader(Labelled(), batch_size=5, sampler=sampler, num_workers=workers)))
        for workers in (0, 2)
    ]
    assert torch.equal(*batches)
    assert batches[0][:, 0].tolist() == sampler.order(2).tolist()
    assert batches[0][:, 1:].tolist() == [[6, 2, p] for p in range(12)]
