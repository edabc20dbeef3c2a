from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from avmm.evaluation.functional import (
    confusion_matrix,
    macro_f1,
    mean_class_accuracy,
    per_class_accuracy,
    top_k_accuracy,
)
from avmm.utils import ConfigError, DataError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 7)).astype(np.float32), rng.integers(0, 7, 200)


def test_top_k_counts_the_k_best(data):
    scores, labels = data
    order = np.argsort(-scores, 1)
    expected = tuple((order[:, :k] == labels[:, None]).any(1).mean() for k in (1, 3, 7))
    assert top_k_accuracy(scores, labels, (1, 3, 7)) == pytest.approx(expected)
    assert expected[2] == 1


def test_ties_go_to_the_lower_index_as_in_argmax():
    scores = np.zeros((3, 4))
    assert top_k_accuracy(scores, np.array([0, 1, 3]), (1, 2)) == pytest.approx((1 / 3, 2 / 3))


def test_tensors_of_any_precision(data):
    scores, labels = data
    scores = np.round(scores, 1)
    half = torch.tensor(scores).bfloat16()
    assert top_k_accuracy(half, torch.tensor(labels)) == top_k_accuracy(half.float().numpy(), labels)


def test_confusion_recall_and_f1_are_those_of_scikit_learn(data):
    scores, labels = data
    matrix = confusion_matrix(scores, labels)
    guess = scores.argmax(1)
    assert (matrix == sklearn_confusion(labels, guess)).all()
    assert per_class_accuracy(matrix) == pytest.approx(recall_score(labels, guess, average=None))
    assert mean_class_accuracy(matrix) == pytest.approx(balanced_accuracy_score(labels, guess))
    assert macro_f1(matrix) == pytest.approx(f1_score(labels, guess, average='macro'))


def test_a_class_without_samples_is_left_out():
    labels, guess = np.array([0, 0, 2]), np.array([0, 2, 2])
    matrix = confusion_matrix(guess, labels, num_classes=4)
    assert np.isnan(per_class_accuracy(matrix)).tolist() == [False, True, False, True]
    assert mean_class_accuracy(matrix) == pytest.approx(0.75)
    assert macro_f1(matrix) == pytest.approx(f1_score(labels, guess, average='macro'))


@pytest.mark.parametrize('call, error, message', [
    (lambda: top_k_accuracy(np.zeros(3), np.zeros(3, int)), ConfigError, r'shape \(N, C\), got \(3,\)'),
    (lambda: top_k_accuracy(np.zeros((3, 2)), np.zeros(2, int)), ConfigError, r'shape \(3,\), got \(2,\)'),
    (lambda: top_k_accuracy(np.zeros((3, 2)), np.zeros(3, int), (3, )), ConfigError, 'topk has 3, there are 2'),
    (lambda: top_k_accuracy(np.zeros((0, 2)), np.zeros(0, int)), ConfigError, 'of no samples'),
    (lambda: top_k_accuracy(np.array([[0, np.nan]]), np.array([0])), DataError, 'sample 0 for class 1 is not a num'),
    (lambda: top_k_accuracy(np.zeros((2, 3)), np.array([0, 3])), DataError, 'label of sample 1 is 3.*0 to 2'),
    (lambda: confusion_matrix(np.array([0, 1]), np.array([0, -1])), DataError, 'label of sample 1 is -1'),
    (lambda: confusion_matrix(np.array([0.5, 1]), np.array([0, 1])), ConfigError, 'whole numbers, got float64'),
])
def test_wrong_arrays_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
