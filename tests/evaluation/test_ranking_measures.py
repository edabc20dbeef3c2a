from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from avmm.evaluation.functional import (
    average_precision,
    d_prime,
    envelope_mean_average_precision,
    mean_average_precision,
    mean_roc_auc,
    ranking_scores,
    roc_auc,
)
from avmm.utils import ConfigError, DataError


@pytest.mark.parametrize('decimals', [8, 1, 0])
@pytest.mark.parametrize('density', [0.02, 0.5])
def test_equal_to_scikit_learn_with_ties(decimals, density):
    rng = np.random.default_rng(decimals)
    scores = np.round(rng.standard_normal((300, 9)), decimals).astype(np.float32)
    targets = rng.random((300, 9)) < density
    targets[0] = True
    assert average_precision(scores, targets) == pytest.approx(
        average_precision_score(targets, scores, average=None), abs=1e-12)
    assert roc_auc(scores, targets) == pytest.approx(roc_auc_score(targets, scores, average=None), abs=1e-12)


def test_labels_are_one_hot_targets():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((50, 4)), rng.integers(0, 4, 50)
    hot = np.eye(4)[labels]
    assert mean_average_precision(torch.tensor(scores), torch.tensor(labels)) == mean_average_precision(scores, hot)
    assert mean_roc_auc(scores, labels) == pytest.approx(roc_auc_score(hot, scores))


def test_classes_without_positives_or_negatives():
    scores = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    targets = np.array([[1, 0, 1], [0, 0, 1]])
    precision, area = ranking_scores(scores, targets)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        assert precision.tolist() == average_precision_score(targets, scores, average=None).tolist() == [0.5, 0, 1]
    assert area[0] == 0 and np.isnan(area[1:]).all()
    assert mean_roc_auc(scores, targets) == 0
    assert np.isnan(mean_roc_auc(scores[:, 1:], targets[:, 1:]))


def test_d_prime_is_the_distance_of_two_normal_distributions():
    # Scores of positives lie 1.5 deviations above those of negatives.
    area = norm.cdf(1.5 / np.sqrt(2))
    assert d_prime(area) == pytest.approx(1.5)
    assert d_prime(np.array([0.5, 1, 0])).tolist() == [0, np.inf, -np.inf]


def test_envelope_takes_the_best_precision_at_a_higher_recall():
    # Positives at places 2 and 3: precisions 1/2 and 2/3, the envelope lifts the first to 2/3.
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    targets = np.array([[0], [1], [1], [0]])
    assert envelope_mean_average_precision(scores, targets) == pytest.approx(2 / 3)
    assert mean_average_precision(scores, targets) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_envelope_leaves_out_classes_without_positives():
    scores = np.array([[0.9, 0.1], [0.2, 0.3]])
    assert envelope_mean_average_precision(scores, np.array([0, 0])) == 1
    assert np.isnan(envelope_mean_average_precision(scores, np.zeros((2, 2))))


@pytest.mark.parametrize('targets, error, message', [
    (np.zeros((2, 4)), ConfigError, r'targets must have the shape \(2,\) or \(2, 3\), got \(2, 4\)'),
    (np.array([0, 5]), DataError, 'label of sample 1 is 5'),
])
def test_wrong_targets_are_refused(targets, error, message):
    with pytest.raises(error, match=message):
        ranking_scores(np.zeros((2, 3)), targets)


def test_faster_than_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 40, 4000)
    scores, hot = rng.random((4000, 40), dtype=np.float32), np.eye(40, dtype=int)[labels]

    def seconds(function) -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    ours = min(seconds(lambda: ranking_scores(scores, labels)) for _ in range(3))
    theirs = min(seconds(lambda: (average_precision_score(hot, scores, average=None),
                                  roc_auc_score(hot, scores, average=None))) for _ in range(2))
    assert theirs > 5 * ours
