from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.evaluation.functional import (
    as_multi_hot,
    batch_segment_accuracy,
    class_segment_accuracy,
    event_class_labels,
    event_counts,
    event_f1,
    mean_f1,
    segment_accuracy,
    segment_counts,
    segment_f1,
    video_segment_accuracy,
)
from avmm.utils import ConfigError, DataError

BACKGROUND = 4


def random_labels(seed: int, count: int = 30, size: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, BACKGROUND + 1, (count, size)) for _ in range(2))


@pytest.mark.parametrize('kind', [np.asarray, torch.as_tensor])
def test_an_event_needs_more_than_one_half(kind):
    logits = kind(np.array([[0.0, 1e-6, -1.0], [3.0, 0.0, 2.0]]))
    labels = event_class_labels(logits, kind(np.array([[1.0, 5.0, 5.0], [9.0, 0.0, 1.0]])), background=7)
    # The first of equal classes wins.
    assert labels.tolist() == [[7, 1, 7], [0, 7, 0]]
    assert isinstance(labels, type(logits)) and str(labels.dtype).endswith('int64')


def test_background_may_win_among_the_classes():
    labels = event_class_labels(np.ones((1, 3)), np.array([[0.0, 0.0, 2.0]]), background=2)
    assert labels.tolist() == [[2, 2, 2]]


def test_accuracies_agree_with_each_other():
    guess, truth = random_labels(0)
    whole = segment_accuracy(guess, truth, percent=True)
    assert whole == pytest.approx(100 * np.mean([g == t for g, t in zip(guess.ravel(), truth.ravel(), strict=True)]))
    assert video_segment_accuracy(guess, truth)[3] == (guess[3] == truth[3]).sum() / 10
    accuracies, videos = batch_segment_accuracy(guess, truth, 16, percent=True)
    assert videos.tolist() == [16, 14]
    assert accuracies[1] == pytest.approx(segment_accuracy(guess[16:], truth[16:], percent=True))
    assert np.average(accuracies, weights=videos) == pytest.approx(whole)


def test_scores_and_one_hot_labels_count_by_their_first_best_class():
    scores, truth = np.zeros((1, 3, 5)), np.array([[0, 0, 2]])
    scores[0, 1, 3] = scores[0, 2, 2] = 0.5
    assert segment_accuracy(scores, truth) == pytest.approx(2 / 3)
    assert segment_accuracy(torch.as_tensor(scores), np.eye(5)[truth]) == pytest.approx(2 / 3)


def test_accuracy_of_each_class():
    guess, truth = np.array([[0, 0, 2, 2]]), np.array([[0, 1, 2, 0]])
    np.testing.assert_array_equal(class_segment_accuracy(guess, truth, 4), [0.5, 0, 1, np.nan])


@pytest.mark.parametrize(('guess', 'truth', 'error', 'message'), [
    (np.zeros((2, 3), int), np.zeros((2, 4), int), ConfigError, r'predictions of \(2, 3\) segments for targets'),
    (np.zeros(3, int), np.zeros(3, int), ConfigError, r'predictions must have the shape \(N, S\)'),
    (np.zeros((2, 3)), np.zeros((2, 3), int), ConfigError, 'must be whole numbers, got float64'),
    (np.full((1, 2, 3), np.nan), np.zeros((1, 2), int), DataError, 'a score of segment 0 of video 0 is not a number'),
    (np.zeros((0, 3), int), np.zeros((0, 3), int), ConfigError, 'of no segments is not defined'),
])
def test_segments_that_do_not_fit_are_refused(guess, truth, error, message):
    with pytest.raises(error, match=message):
        segment_accuracy(guess, truth)


def test_logits_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r'do not fit: \(2, 3\) and \(1, 4\)'):
        event_class_labels(np.zeros((2, 3)), np.zeros((1, 4)), 4)
    with pytest.raises(ConfigError, match='batch_size must be at least 1, got 0'):
        batch_segment_accuracy(*random_labels(0), 0)


def plain_event_counts(guess: np.ndarray, truth: np.ndarray, miou: float) -> np.ndarray:
    """The rule of :func:`event_counts`, video by video and event by event."""
    def events(row):
        found, begin = [], None
        for i, inside in enumerate([*row, False]):
            if inside and begin is None:
                begin = i
            if not inside and begin is not None:
                found.append(set(range(begin, i)))
                begin = None
        return found

    counts = np.zeros((3, len(guess), guess.shape[2]), int)
    for n in range(len(guess)):
        for c in range(guess.shape[2]):
            said, true = events(guess[n, :, c]), events(truth[n, :, c])
            hit = [any(len(s & t) >= miou * len(s | t) for t in true) for s in said]
            counts[:2, n, c] = sum(hit), len(hit) - sum(hit)
            counts[2, n, c] = sum(not any(len(s & t) >= miou * len(s | t) for s in said) for t in true)
    return counts


@pytest.mark.parametrize('miou', [0.2, 0.5, 0.75, 1.0])
@pytest.mark.parametrize('size', [1, 7, 10])
def test_events_are_counted_as_by_hand(miou, size):
    rng = np.random.default_rng(size)
    guess, truth = rng.random((2, 40, size, 3)) < 0.55
    assert guess.dtype == bool
    np.testing.assert_array_equal(event_counts(guess, truth, miou), plain_event_counts(guess, truth, miou))


def test_half_an_overlap_is_enough():
    truth = np.array([[0, 0, 0, 0, 1, 1]])
    assert event_f1(np.array([[0, 0, 1, 1, 1, 1]]), truth, 2, background=1) == 1
    assert event_f1(np.array([[0, 0, 1, 1, 1, 1]]), truth, 2, background=1, miou=0.51) == 0
    # Two events where there is one: the longer one is right, the other wrong.
    assert event_f1(np.array([[0, 0, 1, 0, 1, 1]]), truth, 2, background=1) == pytest.approx(2 / 3)


def test_f1_of_segments():
    guess, truth = np.array([[0, 0, 1, 2]]), np.array([[0, 1, 1, 2]])
    # Class 0: one right, one wrong; class 1: one right, one missed; class 2 is background.
    assert segment_f1(guess, truth, 3, background=2) == pytest.approx(2 / 3)
    assert segment_f1(guess, truth, 3) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_f1_averages_over_classes_then_videos_or_over_classes_alone():
    # Video 0 has class 0 right and class 1 wrong; video 1 has class 0 right; video 2 is background on both sides.
    counts = np.zeros((3, 3, 2), int)
    counts[0, 0, 0] = counts[1, 0, 1] = counts[0, 1, 0] = 1
    assert mean_f1(counts) == pytest.approx((0.5 + 1 + 1) / 3)
    assert mean_f1(counts, 'class') == pytest.approx((1 + 0) / 2)


def test_nothing_to_find_and_nothing_found_is_right():
    empty = np.full((2, 4), 3)
    assert event_f1(empty, empty, 4, background=3) == segment_f1(empty, empty, 4, 3, average='class') == 1
    assert event_counts(*[as_multi_hot(empty, 4, 3)] * 2).shape == (3, 2, 4)


def test_counts_of_segments_cover_all():
    guess, truth = (as_multi_hot(labels, BACKGROUND + 1, None) for labels in random_labels(3))
    right, wrong, missed = segment_counts(guess, truth)
    assert (right + wrong).sum() == guess.sum() and (right + missed).sum() == truth.sum()


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: as_multi_hot(np.array([[5]]), 5, None), 'labels go from 5 to 5, there are 5 classes'),
    (lambda: as_multi_hot(np.zeros((2, 3, 4)), 5, None), r'\(N, S\) or \(N, S, 5\), got \(2, 3, 4\)'),
    (lambda: event_f1(np.zeros((1, 1), int), np.zeros((1, 1), int), 2, miou=0), r'miou must be in \(0, 1\], got 0'),
    (lambda: mean_f1(np.zeros((3, 1, 1)), 'micro'), "average must be one of video, class, got 'micro'"),
    (lambda: mean_f1(np.zeros((3, 0, 1))), 'the F1 of no videos is not defined'),
    (lambda: segment_counts(np.zeros((1, 2, 3)), np.zeros((1, 2))), r'must both be \(N, S, C\)'),
])
def test_events_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
