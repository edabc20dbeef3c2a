"""Loss and coefficient on unseen samples."""
from __future__ import annotations

import math

import pytest
import torch

from avmm.balancing import inverse_coefficient
from projects.inverse_balance.inverse_balance import CrossEntropyMetric, InverseCoefficient


def samples(count, seed=0):
    torch.manual_seed(seed)
    return [dict(sample_id=str(i), gt_label=i % 3, pred_score=torch.randn(3).softmax(0),
                 unimodal_scores=dict(audio=torch.randn(3).softmax(0), visual=torch.randn(3).softmax(0)))
            for i in range(count)]


def evaluate(metric, data, size):
    for start in range(0, len(data), size):
        metric.process(None, data[start:start + size])
    return metric.evaluate(len(data))


def test_the_loss_is_the_mean_over_samples():
    data = samples(10)
    values = evaluate(CrossEntropyMetric(), data, 4)
    expected = sum(-math.log(float(s['pred_score'][s['gt_label']])) for s in data) / 10
    assert values['cross_entropy/joint'] == pytest.approx(expected, rel=1e-6)
    assert set(values) == {'cross_entropy/joint', 'cross_entropy/audio', 'cross_entropy/visual'}


def test_a_hopeless_sample_gives_a_number():
    data = [dict(samples(1)[0], pred_score=torch.tensor([0.0, 1.0, 0.0]))]
    assert evaluate(CrossEntropyMetric(), data, 1)['cross_entropy/joint'] == pytest.approx(87.3, abs=0.1)


@pytest.mark.parametrize(('count', 'middle'), [(10, 4), (8, 4), (3, 0)])
def test_the_coefficient_of_three_batches(count, middle):
    data = samples(count)
    values = evaluate(InverseCoefficient(gamma=2.0), data, 4)
    last = (count - 1) // 4 * 4
    for key, start in dict(first=0, middle=middle, last=last).items():
        part = data[start:start + 4]
        scores = torch.stack([torch.stack([s[name][s['gt_label']] for s in rows]).sum() for name, rows in (
            ('audio', [dict(s['unimodal_scores'], gt_label=s['gt_label']) for s in part]),
            ('visual', [dict(s['unimodal_scores'], gt_label=s['gt_label']) for s in part]),
            ('pred_score', part))])
        assert values[f'inverse/{key}'] == pytest.approx(float(inverse_coefficient(scores, 2.0)), rel=1e-5)


def test_the_size_of_a_batch_is_an_option():
    data = samples(6)
    assert evaluate(InverseCoefficient(batch_size=2), data, 6) == evaluate(InverseCoefficient(), data, 2)
