from __future__ import annotations

import numpy as np
import pytest

from avmm.evaluation.functional import localize_by_distance, localize_by_logits
from avmm.utils import ConfigError, DataError


def random_case(count: int = 40, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, size, count)
    end = rng.integers(start, size) + 1
    steps = np.arange(size)
    return rng.random((count, size, size)), (steps >= start[:, None]) & (steps < end[:, None])


@pytest.mark.parametrize('direction', ['a2v', 'v2a'])
def test_windows_are_those_of_a_search_by_hand(direction):
    distance, mask = random_case()
    answers = localize_by_distance(distance, mask, direction)
    for i, (pairs, inside) in enumerate(zip(distance, mask, strict=True)):
        event, length = np.flatnonzero(inside), int(inside.sum())
        costs = [sum(pairs[n + k, event[k]] if direction == 'a2v' else pairs[event[k], n + k] for k in range(length))
                 for n in range(len(inside) - length + 1)]
        assert answers.found[i] == np.argmin(costs)
        assert answers.start[i] == event[0] and answers.length[i] == length
        assert answers.windows[i].nonzero()[0].tolist() == [*range(answers.found[i], answers.found[i] + length)]
        assert answers.covered[i] == (answers.windows[i] & inside).sum()
    assert answers.accuracy(False) == pytest.approx(np.mean(answers.found == answers.start))


def test_the_first_of_equal_windows_wins_and_must_be_exact():
    mask = np.array([[0, 1, 1, 0], [1, 1, 0, 0]])
    answers = localize_by_distance(np.ones((2, 4, 4)), mask, 'a2v')
    assert answers.found.tolist() == [0, 0] and answers.correct.tolist() == [False, True]
    assert answers.covered.tolist() == [1, 2]
    assert answers.accuracy(True, percent=True) == 50


def test_events_that_take_all_or_nothing_can_be_left_out():
    mask = np.array([[1, 1, 1], [0, 0, 0], [0, 1, 0]])
    answers = localize_by_logits(np.array([[0, 0, 0], [0, 0, 0], [5, 0, 0]]), mask)
    assert answers.evaluated(skip_full=True).tolist() == [False, False, True]
    assert answers.evaluated(skip_full=False).tolist() == [True, False, True]
    assert answers.accuracy(True) == 0 and answers.accuracy(False) == 0.5
    assert answers.windows[1].sum() == 0
    with pytest.raises(DataError, match='none of 2 videos has an event shorter than the video'):
        answers.select(np.array([0, 1])).accuracy(True)


def test_sums_of_logits_tie_where_float32_cannot_tell():
    mask = np.array([[0, 1, 0]])
    assert localize_by_logits(np.array([[1.0, 1 + 1e-9, 0.0]]), mask).found.tolist() == [0]
    assert localize_by_logits(np.array([[1.0, 1 + 1e-6, 0.0]]), mask).found.tolist() == [1]


def test_logits_are_summed_over_the_window():
    _, mask = random_case(seed=1)
    logits = np.random.default_rng(2).standard_normal(mask.shape)
    answers = localize_by_logits(logits, mask)
    for row, inside, found in zip(logits, mask, answers.found, strict=True):
        length = inside.sum()
        assert found == np.argmax([row[n:n + length].sum() for n in range(len(row) - length + 1)])


@pytest.mark.parametrize(('call', 'error', 'message'), [
    (lambda: localize_by_distance(np.zeros((1, 3, 3)), np.ones((1, 3)), 'av'), ConfigError,
     "direction must be one of a2v, v2a, got 'av'"),
    (lambda: localize_by_distance(np.zeros((1, 3, 4)), np.ones((1, 3)), 'a2v'), ConfigError,
     r'must have the shape \(1, 3, 3\), got \(1, 3, 4\)'),
    (lambda: localize_by_distance(np.full((1, 2, 2), np.nan), np.ones((1, 2)), 'a2v'), DataError,
     'a distance of video 0 is not a number'),
    (lambda: localize_by_logits(np.zeros((2, 3)), np.ones((1, 3))), ConfigError, r'shape \(1, 3\), got \(2, 3\)'),
    (lambda: localize_by_logits(np.zeros(3), np.ones(3)), ConfigError, r'masks must have the shape \(N, S\)'),
])
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
