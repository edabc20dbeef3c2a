"""Retrieval: against the loop over pairs, ties, blocks, errors."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.evaluation.functional import cosine_similarity, paired_cosine, retrieval_positions, retrieval_scores
from avmm.utils import ConfigError, DataError


def by_sorting(queries, gallery):
    """Positions as published code finds them: sort, subtract the partner's score, look for zeros."""
    cosine = np.array([[np.dot(q, g) / (np.linalg.norm(q) * np.linalg.norm(g)) for g in gallery] for q in queries])
    placed = np.sort(-cosine, axis=1) - -np.diag(cosine)[:, None]
    return np.where(placed == 0)[1]


def features(count: int = 30, width: int = 8, equal: tuple = ()):
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((count, width)).astype(np.float32)
    gallery = (queries + 2 * rng.standard_normal((count, width))).astype(np.float32)
    for first, second in equal:
        gallery[second] = gallery[first]
    return queries, gallery


@pytest.mark.parametrize('equal', [(), ((0, 1), (5, 6), (5, 29))])
def test_positions_are_those_of_the_loop(equal):
    queries, gallery = features(equal=equal)
    assert retrieval_positions(queries, gallery).tolist() == by_sorting(queries, gallery).tolist()
    assert len(retrieval_positions(queries, gallery)) == 30 + (8 if equal else 0)


def test_ties_may_count_once():
    queries, gallery = features(equal=((0, 1), (5, 6), (5, 29)))
    repeated, once = retrieval_positions(queries, gallery), retrieval_positions(queries, gallery, ties='average')
    assert len(once) == 30
    # The first query has two positions, the sixth three.
    assert once[0] == repeated[:2].mean() and once[5] == repeated[7:10].mean()
    assert once[2] == repeated[4]


@pytest.mark.parametrize('width', [8, 40, 1024])
def test_equal_entries_have_equal_similarities(width):
    queries, gallery = features(133, width, equal=((0, 132), (3, 64), (7, 65)))
    cosine = cosine_similarity(queries, gallery)
    for first, second in ((0, 132), (3, 64), (7, 65)):
        assert np.array_equal(cosine[:, first], cosine[:, second])
    np.testing.assert_allclose(np.diag(cosine), paired_cosine(queries, gallery), rtol=1e-5, atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    queries, gallery = features()
    whole = retrieval_positions(queries, gallery)
    monkeypatch.setattr('avmm.evaluation.functional.retrieval._BLOCK', 7)
    assert np.array_equal(retrieval_positions(queries, gallery), whole)


def test_scores_of_tensors_in_any_precision():
    queries = torch.eye(12)
    gallery = queries.roll(1, 1)
    gallery[0] = queries[0]
    scores = retrieval_scores(queries.half(), gallery.bfloat16(), ks=(1, 12), ties='average')
    assert scores['R@12'] == 1.0 and 0 < scores['R@1'] < 1
    assert retrieval_scores(queries, queries) == {'R@1': 1.0, 'R@5': 1.0, 'R@10': 1.0, 'median_rank': 1.0}


def test_row_of_zeros_is_like_nothing():
    queries, gallery = features(4)
    gallery[2] = 0
    assert (cosine_similarity(queries, gallery)[:, 2] == 0).all()


@pytest.mark.parametrize(('queries', 'gallery', 'ties', 'message'), [
    (np.ones((3, 2)), np.ones((2, 2)), 'repeated', '3 queries and 2 entries'),
    (np.ones((3, 2)), np.ones((3, 4)), 'repeated', 'queries of 2 and a gallery of 4 dimensions'),
    (np.ones((0, 2)), np.ones((0, 2)), 'repeated', 'at least one row'),
    (np.ones((3, 2)), np.ones((3, 2)), 'first', "ties='first' is unknown; use one of repeated, average")])
def test_what_does_not_fit(queries, gallery, ties, message):
    with pytest.raises(ConfigError, match=message):
        retrieval_positions(queries, gallery, ties)


def test_number_that_is_not_finite():
    with pytest.raises(DataError, match='row 1 of the queries is not finite'):
        retrieval_positions(np.array([[1., 0.], [np.nan, 1.]]), np.eye(2))
