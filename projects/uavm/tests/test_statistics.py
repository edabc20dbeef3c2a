"""Statistics of UAVM against scikit-learn, and the metric around them."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.utils import ConfigError
from projects.uavm.uavm.evaluation import RunningMean, UAVMStatistics, WeightMean, class_statistics, middle_points


@pytest.mark.parametrize('decimals', [1, 6])
def test_statistics_are_those_of_scikit_learn(decimals):
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
    rng = np.random.default_rng(decimals)
    targets = rng.random((2500, 3)) < 0.2
    scores = np.round(rng.normal(size=(2500, 3)) + targets, decimals)
    found = class_statistics(scores, targets)
    np.testing.assert_allclose(found.AP, average_precision_score(targets, scores, average=None))
    np.testing.assert_allclose(found.AUC, roc_auc_score(targets, scores, average=None))
    precision, recall = middle_points(scores, targets)
    for c in range(3):
        curve = [values[::1000] for values in precision_recall_curve(targets[:, c], scores[:, c])[:2]]
        assert (precision[c], recall[c]) == pytest.approx([values[len(values) // 2] for values in curve])
    from scipy.stats import norm
    assert found.dprime == pytest.approx(np.sqrt(2) * norm.ppf(found.mAUC))


def test_a_curve_that_is_cut_begins_where_all_is_found():
    scores, targets = np.array([[0.1], [0.2], [0.3], [0.4]]), np.array([[0], [1], [0], [1]])
    assert [v.tolist() for v in middle_points(scores, targets)] == [[0.5], [1.0]]
    assert [v.tolist() for v in middle_points(scores, targets, 'cut')] == [[2 / 3], [1.0]]
    with pytest.raises(ConfigError, match='curves must be'):
        middle_points(scores, targets, 'half')


def test_the_end_of_a_curve_is_one_and_zero():
    # 1000 thresholds and the last point: two points are kept, the second is the middle one.
    scores = np.arange(1000.0)[:, None]
    assert [v.tolist() for v in middle_points(scores, scores > 500)] == [[1.0], [0.0]]


def samples(count: int, rng) -> list[dict]:
    return [dict(sample_id=str(i), gt_label=int(i % 3), pred_score=torch.from_numpy(rng.normal(size=3)),
                 unimodal_scores=dict(audio=torch.from_numpy(rng.normal(size=3)))) for i in range(count)]


def test_one_pass_gives_all_modalities_and_the_loss_of_each_batch():
    rng = np.random.default_rng(0)
    batches = [samples(6, rng), samples(2, rng)]
    metric = UAVMStatistics(loss=dict(type='CrossEntropyLoss'), middle='cut', keep=True)
    for batch in batches:
        metric.process(None, batch)
    values = metric.evaluate(8)
    for name in ('joint', 'audio'):
        losses = [torch.nn.functional.cross_entropy(
            torch.stack([s['pred_score'] if name == 'joint' else s['unimodal_scores'][name] for s in b]).float(),
            torch.tensor([s['gt_label'] for s in b])) for b in batches]
        # The last, smaller batch counts as much as the others.
        assert values[f'val_loss/{name}'] == pytest.approx(float(sum(losses) / 2), rel=1e-5)
        assert {f'{key}/{name}' for key in ('accuracy', 'mAP', 'AUC', 'd_prime', 'middle_precision')} <= set(values)
    assert metric.latest[0].shape == (8, 3) and metric.latest[1].shape == (8, )


def test_means():
    mean = RunningMean()
    mean.add(np.array([1.0, 2.0]))
    assert mean.add(np.array([3.0, 6.0])).tolist() == [2, 4]
    with pytest.raises(ConfigError, match='validate on the same data'):
        mean.add(np.zeros(3))
    weights = WeightMean()
    with pytest.raises(ConfigError, match='no weights to average'):
        weights.mean()
    for value in (1, 4):
        weights.add(dict(w=torch.full((2, ), float(value), dtype=torch.float16), n=torch.tensor(value)))
    assert weights.mean()['w'].tolist() == [2.5, 2.5] and weights.mean()['n'] == 2
