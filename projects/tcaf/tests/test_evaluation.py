"""Calibrated stacking: against a search through all classes, with ties and gaps, and as a metric."""
from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from avmm.registry import METRICS
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.evaluation import BETAS, calibrate, combined_beta, full_recalls, joint_distances
from projects.tcaf.tcaf.gzsl_metric import GZSLMetric

IDS, SEEN, UNSEEN = [1, 3, 4, 7, 8], [3, 7, 8], [1, 4]


def by_search(distances, labels, betas=BETAS):
    """The same by a loop over calibrations and classes."""
    is_seen, rows = np.isin(IDS, SEEN), np.searchsorted(IDS, labels)
    results = []
    for beta in betas:
        shifted = distances + np.where(is_seen, distances.dtype.type(beta), distances.dtype.type(0))
        answers = shifted.argmin(1)
        recalls = np.array([(answers[rows == c] == c).mean() for c in range(len(IDS))])
        seen, unseen = recalls[is_seen].mean(), recalls[~is_seen].mean()
        results.append((seen, unseen, 2 * seen * unseen / (seen + unseen + np.finfo(float).eps)))
    columns = np.flatnonzero(~is_seen)
    zsl = columns[distances[:, columns].argmin(1)]
    return np.array(results), np.mean([(zsl[rows == c] == c).mean() for c in columns])


def drawn(seed, count=200, step=None, dtype=np.float32):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([IDS, rng.choice(IDS, count - 5)])
    distances = rng.random((count, 5)) * 3
    distances[np.arange(count), np.searchsorted(IDS, labels)] -= 0.8
    distances = np.abs(distances)
    return (np.round(distances / step) * step if step else distances).astype(dtype), labels


@pytest.mark.parametrize(('seed', 'step', 'dtype'), [(0, None, np.float32), (1, None, np.float64),
                                                    (2, 0.2, np.float32), (3, 0.1, np.float32), (4, 0.5, np.float64)])
def test_the_answers_are_those_of_a_search_through_all_classes(seed, step, dtype):
    distances, labels = drawn(seed, step=step, dtype=dtype)
    found = calibrate(distances, labels, IDS, SEEN, UNSEEN)
    expected, zsl = by_search(distances, labels)
    np.testing.assert_array_equal(np.stack([found.seen, found.unseen, found.hm], 1), expected)
    assert found.zsl == pytest.approx(zsl, abs=1e-15) and found.best == expected[:, 2].argmax()
    assert found.summary()['beta'] == BETAS[found.best]


def test_distances_that_rounding_makes_equal_go_to_the_first_class():
    one, above = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    # Classes 3 and 7 are seen; after 3 is added both are 4, and the first one counts.
    distances = np.array([[9, above, 9, one, 9]], np.float32)
    found = calibrate(np.repeat(distances, 5, 0), IDS, IDS, SEEN, UNSEEN, [0, 3])
    assert found.recalls[:, 1].tolist() == [0, 1] and found.recalls[:, 3].tolist() == [1, 0]


def test_the_order_of_the_classes_is_of_no_account():
    distances, labels = drawn(5)
    mixed = [7, 1, 8, 4, 3]
    columns = np.searchsorted(IDS, mixed)
    found, same = calibrate(distances[:, columns], labels, mixed, SEEN, UNSEEN), calibrate(
        distances, labels, IDS, SEEN, UNSEEN)
    assert found.summary() == same.summary() and np.array_equal(found.recalls, same.recalls)


def test_a_class_without_clips():
    distances, labels = drawn(6)
    kept = labels != 4
    skipped = calibrate(distances[kept], labels[kept], IDS, SEEN, UNSEEN)
    assert np.isnan(skipped.recalls[:, 2]).all() and skipped.hm.max() > 0 and not np.isnan(skipped.hm).any()
    assert np.array_equal(skipped.unseen, skipped.recalls[:, 0])
    published = calibrate(distances[kept], labels[kept], IDS, SEEN, UNSEEN, empty='nan')
    assert published.best == 0 and np.isnan(published.hm).all() and np.isnan(published.zsl)


def test_seen_classes_alone():
    distances, labels = drawn(7)
    kept = np.isin(labels, SEEN)
    found = calibrate(distances[kept][:, [1, 3, 4]], labels[kept], SEEN, SEEN, [])
    assert found.seen[0] == found.seen[-1] > 0.3 and found.hm.tolist() == [0] * 16


def test_what_is_wrong():
    distances, labels = drawn(8)
    with pytest.raises(ConfigError, match='the numbers differ'):
        calibrate(distances, labels, IDS, SEEN, [1, 5])
    with pytest.raises(ConfigError, match=r'distances have the shape \(N, 5\), got \(200, 4\)'):
        calibrate(distances[:, :4], labels, IDS, SEEN, UNSEEN)
    with pytest.raises(DataError, match='clip 3 is of class 2, which is neither seen nor unseen'):
        calibrate(distances, np.r_[labels[:3], 2, labels[4:]], IDS, SEEN, UNSEEN)
    distances[9, 2] = np.nan
    with pytest.raises(DataError, match='the distances of clip 9 are not all numbers'):
        calibrate(distances, labels, IDS, SEEN, UNSEEN)
    with pytest.raises(ConfigError, match="empty is 'skip' or 'nan'"):
        calibrate(distances, labels, IDS, SEEN, UNSEEN, empty='zero')


def test_the_calibration_of_the_test():
    assert combined_beta([0.4]) == pytest.approx(0.4 + 1e-10 / 3, abs=1e-15) and combined_beta([0, 0, 0]) > 0
    assert combined_beta([1, 0.8, 1.8], 'avca') == pytest.approx(1.2) and combined_beta([0], 'avca') == 1e-10
    with pytest.raises(ConfigError, match="the rule is 'tcaf' or 'avca'"):
        combined_beta([1], 'mean')


def test_both_modalities():
    audio, visual = np.ones((2, 3)), 2 * np.ones((2, 3))
    assert joint_distances(audio, visual).tolist() == [[3] * 3] * 2
    assert joint_distances(audio, visual, torch.tensor([[0.5], [0.49]])).tolist() == [[2] * 3, [1] * 3]
    assert full_recalls(np.array([0.5, 1]), np.array([1, 3]), 5).tolist() == [0, 0.5, 0, 1, 0]


# The metric -----------------------------------------------------------------------------------------------------

def measured(distances, labels, batch=64, **options):
    metric = METRICS.build(dict(type='GZSLMetric', **options))
    metric.dataset_meta = dict(class_ids=IDS, classes=['b', 'd', 'e', 'h', 'i'], seen_ids=SEEN, unseen_ids=UNSEEN)
    tensors = {mode: torch.from_numpy(values) for mode, values in distances.items()}
    samples = [dict(gt_label=int(label), gzsl_distances={mode: values[i] for mode, values in tensors.items()})
               for i, label in enumerate(labels)]
    for first in range(0, len(samples), batch):
        metric.process(None, samples[first:first + batch])
    return metric, metric.evaluate(len(samples))


def test_one_mode_in_per_cent():
    distances, labels = drawn(9)
    metric, values = measured(dict(both=distances), labels)
    expected = calibrate(distances, labels, IDS, SEEN, UNSEEN)
    assert set(values) == {f'gzsl/{name}' for name in ('seen', 'unseen', 'hm', 'zsl', 'beta', 'test_beta')}
    assert values['gzsl/hm'] == 100 * expected.hm.max() and values['gzsl/beta'] == expected.beta
    assert values['gzsl/test_beta'] == combined_beta([expected.beta])
    assert metric.last['both'].best == expected.best


def test_a_given_calibration():
    distances, labels = drawn(10)
    metric, values = measured(dict(both=distances), labels, beta=0.6)
    expected = calibrate(distances, labels, IDS, SEEN, UNSEEN, [0.6])
    assert values['gzsl/seen'] == 100 * expected.seen[0] and values['gzsl/beta'] == 0.6
    assert 'gzsl/test_beta' not in values and metric.last['both'].beta == 0.6
    assert metric.last['both'].hm.max() == calibrate(distances, labels, IDS, SEEN, UNSEEN).hm.max()


def test_several_modes_and_one_calibration_for_the_test():
    (audio, labels), visual = drawn(11), drawn(12)[0]
    metric, values = measured(dict(audio=audio, visual=visual, both=audio + visual), labels, beta_rule='avca')
    assert values['gzsl/hm'] == values['gzsl/both/hm'] != values['gzsl/audio/hm']
    betas = [values[f'gzsl/{mode}/beta'] for mode in ('audio', 'visual', 'both')]
    assert values['gzsl/test_beta'] == pytest.approx(np.mean(betas))


def test_details_and_curves(tmp_path):
    distances, labels = drawn(13)
    kept = labels != 4
    metric, values = measured(dict(both=distances[kept]), labels[kept], details=True,
                              out_file=str(tmp_path / 'a/curves.json'))
    assert {name for name in values if 'recall' in name} == {f'gzsl/recall/{c}' for c in 'bdhi'}
    written = json.loads((tmp_path / 'a/curves.json').read_text())
    assert written['classes'] == ['b', 'd', 'e', 'h', 'i'] and written['modes']['both']['recalls'][2] is None
    assert written['modes']['both']['hm'] == metric.last['both'].hm.tolist()


def test_evenly_spaced_calibrations():
    assert GZSLMetric(betas=dict(start=0, stop=1, num=3)).betas.tolist() == [0, 0.5, 1]


def test_what_a_metric_needs():
    with pytest.raises(DataError, match='has no gzsl_distances; it takes a zero-shot model'):
        GZSLMetric().process(None, [dict(gt_label=1)])
    metric = GZSLMetric()
    metric.process(None, [dict(gt_label=1, gzsl_distances=dict(both=torch.ones(5)))])
    with pytest.raises(ConfigError, match='the data set does not say its class_ids; take GZSLDataset'):
        metric.evaluate(1)
    with pytest.raises(ConfigError, match="the rule is 'tcaf' or 'avca'"):
        GZSLMetric(beta_rule='x')
