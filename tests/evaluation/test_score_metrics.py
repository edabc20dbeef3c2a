from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope

from avmm.evaluation import AVAccuracy, ConfusionMatrix, MultiLabelMetric, PerClassAccuracy
from avmm.evaluation.functional import ranking_scores, top_k_accuracy
from avmm.registry import METRICS
from avmm.structures import AVDataSample
from avmm.testing import run_ranks
from avmm.utils import ConfigError, DataError

CLASSES = 5


def make_samples(count: int, seed: int = 0, without_audio: tuple[int, ...] = ()) -> list[AVDataSample]:
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for i in range(count):
        scores = torch.rand(3, CLASSES, generator=generator)
        sample = AVDataSample(metainfo=dict(sample_id=f's{i}')).set_gt_label(i % CLASSES).set_pred_score(scores[0])
        alone = {'audio': scores[1], 'visual': scores[2]}
        samples.append(sample.set_unimodal_scores({m: s for m, s in alone.items()
                                                   if m == 'visual' or i not in without_audio}))
    return samples


def evaluate(metric, samples: list[AVDataSample], batch: int = 4) -> dict:
    for i in range(0, len(samples), batch):
        metric.process(None, [s.to_dict() for s in samples[i:i + batch]])
    return metric.evaluate(len(samples))


def arrays(samples: list[AVDataSample], name: str) -> tuple[np.ndarray, np.ndarray]:
    scores = [s.pred_score if name == 'joint' else s.unimodal_scores[name] for s in samples]
    return torch.stack(scores).numpy(), np.array([s.gt_label for s in samples])


def test_accuracy_joint_and_of_each_modality():
    samples = make_samples(23)
    values = evaluate(AVAccuracy(topk=(1, 2)), samples)
    assert set(values) == {f'accuracy/{m}{k}' for m in ('joint', 'audio', 'visual') for k in ('', '_top2')}
    for m in ('joint', 'audio', 'visual'):
        expected = top_k_accuracy(*arrays(samples, m), (1, 2))
        assert (values[f'accuracy/{m}'], values[f'accuracy/{m}_top2']) == pytest.approx([100 * e for e in expected])


def test_a_modality_counts_only_where_it_is_there():
    samples = make_samples(12, without_audio=(0, 1, 2, 3, 7))
    values = evaluate(AVAccuracy(), samples)
    rest = [s for s in samples if 'audio' in s.unimodal_scores]
    assert len(rest) == 7
    assert values['accuracy/audio'] == pytest.approx(100 * top_k_accuracy(*arrays(rest, 'audio'))[0])
    assert values['accuracy/joint'] == pytest.approx(100 * top_k_accuracy(*arrays(samples, 'joint'))[0])


def test_modalities_can_be_chosen():
    assert set(evaluate(AVAccuracy(modalities=['visual']), make_samples(5))) == {'accuracy/joint', 'accuracy/visual'}
    assert set(evaluate(AVAccuracy(modalities=()), make_samples(5))) == {'accuracy/joint'}
    with pytest.raises(ConfigError, match="names 'touch', which has no scores; there are joint"):
        evaluate(AVAccuracy(modalities=['touch']), make_samples(5))


def test_per_class_accuracy_uses_class_names():
    metric = PerClassAccuracy(modalities=())
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd', 'e'))
    samples = make_samples(8)
    for i, sample in enumerate(samples):
        sample.set_gt_label((0, 0, 0, 0, 1, 1, 1, 1)[i])
        sample.set_pred_score(torch.eye(CLASSES)[(0, 0, 0, 1, 1, 1, 2, 2)[i]])
    values = evaluate(metric, samples)
    assert values['per_class/joint/a'] == 75 and values['per_class/joint/b'] == 50
    assert 'per_class/joint/c' not in values
    assert values['per_class/joint'] == pytest.approx(62.5)
    assert set(evaluate(PerClassAccuracy(details=False, modalities=()), samples)) == {
        'per_class/joint', 'per_class/joint_f1'}


def test_ranking_metrics_with_several_classes_a_sample():
    samples = make_samples(30)
    truth = torch.rand(30, CLASSES, generator=torch.Generator().manual_seed(1)) < 0.4
    for sample, row in zip(samples, truth, strict=True):
        sample.set_gt_label(row.nonzero().flatten())
    values = evaluate(MultiLabelMetric(), samples)
    precision, area = ranking_scores(torch.stack([s.pred_score for s in samples]), truth)
    assert values['mAP/joint'] == pytest.approx(100 * precision.mean())
    assert values['AUC/joint'] == pytest.approx(area.mean())
    assert {f'{v}/{m}' for v in ('mAP', 'AUC', 'd_prime') for m in ('joint', 'audio', 'visual')} == set(values)


def test_target_scores_serve_where_there_are_no_labels():
    samples = make_samples(10)
    labels = [s.gt_label for s in samples]
    by_label = evaluate(MultiLabelMetric(), samples)
    for sample, label in zip(samples, labels, strict=True):
        del sample.gt_label
        sample.set_gt_score(torch.eye(CLASSES)[label])
    assert evaluate(MultiLabelMetric(), samples) == by_label
    del samples[0].gt_score
    with pytest.raises(DataError, match='sample s0 has neither gt_label nor gt_score'):
        evaluate(MultiLabelMetric(), samples)


def test_confusion_matrix_is_written(tmp_path):
    samples = make_samples(20)
    metric = ConfusionMatrix(tmp_path / 'sub' / 'confusion.npz')
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd', 'e'))
    assert evaluate(metric, samples) == {}
    with np.load(tmp_path / 'sub' / 'confusion.npz') as saved:
        assert saved['joint'].sum() == saved['audio'].sum() == 20
        assert saved['classes'].tolist() == ['a', 'b', 'c', 'd', 'e']
        assert (saved['visual'] == metric.matrices['visual']).all()
    with pytest.raises(ConfigError, match='must end in .npz, got a.png'):
        ConfusionMatrix('a.png')


def test_errors_say_what_to_do():
    with pytest.raises(DataError, match='AVAccuracy: there are no predictions'):
        AVAccuracy().evaluate(0)
    with pytest.raises(ConfigError, match='topk must hold numbers from 1'):
        AVAccuracy(topk=(0, ))
    samples = make_samples(4)
    samples[0].set_gt_label((0, 1))
    with pytest.raises(ConfigError, match='needs one class a sample; several take MultiLabelMetric'):
        evaluate(AVAccuracy(), samples)


def test_results_do_not_leak_into_the_next_epoch():
    metric = AVAccuracy()
    first = evaluate(metric, make_samples(9))
    evaluate(metric, make_samples(9, seed=1))
    assert evaluate(metric, make_samples(9)) == first


def test_configs_name_them():
    with DefaultScope.overwrite_default_scope('avmm'):
        evaluator = Evaluator([dict(type='AVAccuracy', topk=(1, 5)), dict(type='MultiLabelMetric')])
    samples = make_samples(6)
    evaluator.process(samples)
    assert {'accuracy/joint', 'accuracy/joint_top5', 'mAP/audio'} <= set(evaluator.evaluate(6))
    assert METRICS.get('PerClassAccuracy') is PerClassAccuracy


def rank_evaluates(cases: list[tuple[int, bool]]) -> list[dict]:
    import torch.distributed as dist
    rank, world, values = dist.get_rank(), dist.get_world_size(), []
    for count, padded in cases:
        samples, order = make_samples(count), list(range(count))
        if padded:
            order += order[:-count % world]
        metric = AVAccuracy(topk=(1, 2))
        own = [samples[i] for i in order[rank::world]]
        for i in range(0, len(own), 3):
            metric.process(None, [s.to_dict() for s in own[i:i + 3]])
        try:
            values.append(metric.evaluate(count))
        except DataError as error:
            values.append({'error': str(error)})
    return values


def test_two_ranks_measure_what_one_does():
    # With one sample the second rank has nothing; with none at all, both ranks see the error.
    cases = [(11, True), (11, False), (1, False), (0, False)]
    expected = [evaluate(AVAccuracy(topk=(1, 2)), make_samples(count)) for count, _ in cases[:-1]]
    for values in run_ranks(rank_evaluates, 2, (cases, )):
        assert values[:-1] == expected
        assert values[-1] == {'error': 'AVAccuracy: there are no predictions; is the data set empty?'}
