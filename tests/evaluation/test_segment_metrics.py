from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope

from avmm.evaluation import (
    AVAccuracy,
    CrossModalLocalization,
    EventF1,
    PerClassSegmentAccuracy,
    PredictionDump,
    SegmentAccuracy,
)
from avmm.evaluation.functional import event_f1, localize_by_distance, segment_accuracy, segment_f1
from avmm.structures import AVDataSample
from avmm.testing import run_ranks
from avmm.utils import ConfigError, DataError

CLASSES = ('bark', 'bell', 'background')
SIZE = 6


def make_samples(count: int, seed: int = 0, without_audio: tuple[int, ...] = ()) -> list[AVDataSample]:
    rng, samples = np.random.default_rng(seed), []
    for i in range(count):
        labels = torch.as_tensor(rng.integers(0, len(CLASSES), (4, SIZE)))
        sample = AVDataSample(metainfo=dict(sample_id=f's{i}')).set_gt_segments(labels[0].numpy())
        mask = np.arange(SIZE) % SIZE < rng.integers(1, SIZE)
        sample.set_gt_mask(np.roll(mask, rng.integers(0, SIZE - mask.sum() + 1)))
        sample.set_pred_segments(labels[1], torch.as_tensor(rng.random((SIZE, len(CLASSES)))))
        alone = {'audio': labels[2], 'visual': labels[3]}
        sample.set_unimodal_segments({m: v for m, v in alone.items() if m == 'visual' or i not in without_audio})
        sample.set_field(torch.as_tensor(rng.random((SIZE, SIZE))), 'pred_distance', field_type='data')
        samples.append(sample)
    return samples


def evaluate(metric, samples: list[AVDataSample], batch: int = 4) -> dict:
    metric.dataset_meta = dict(classes=CLASSES)
    for i in range(0, len(samples), batch):
        metric.process(None, [s.to_dict() for s in samples[i:i + batch]])
    return metric.evaluate(len(samples))


def labels_of(samples: list[AVDataSample], name: str) -> tuple[np.ndarray, np.ndarray]:
    said = [s.pred_segments if name == 'joint' else s.unimodal_segments[name] for s in samples]
    return torch.stack(said).numpy(), np.stack([s.gt_segments for s in samples])


def test_segment_accuracy_joint_and_of_each_modality():
    samples = make_samples(11, without_audio=(0, 1, 2, 3, 6))
    values = evaluate(SegmentAccuracy(), samples)
    assert set(values) == {f'segment_accuracy/{m}' for m in ('joint', 'audio', 'visual')}
    assert values['segment_accuracy/joint'] == pytest.approx(segment_accuracy(*labels_of(samples, 'joint'), True))
    rest = [s for s in samples if 'audio' in s.unimodal_segments]
    assert len(rest) == 6
    assert values['segment_accuracy/audio'] == pytest.approx(segment_accuracy(*labels_of(rest, 'audio'), True))
    assert set(evaluate(SegmentAccuracy(modalities=()), samples)) == {'segment_accuracy/joint'}


def test_accuracy_of_each_class_by_name():
    sample = make_samples(1)[0]
    sample.set_gt_segments([0, 0, 0, 0, 2, 2]).set_pred_segments(torch.tensor([0, 0, 0, 2, 2, 1]))
    values = evaluate(PerClassSegmentAccuracy(modalities=()), [sample])
    assert values == {'per_class_segment/joint': 62.5, 'per_class_segment/joint/bark': 75.0,
                      'per_class_segment/joint/background': 50.0}
    assert set(evaluate(PerClassSegmentAccuracy(details=False, modalities=()), [sample])) == {
        'per_class_segment/joint'}


def test_f1_of_events_and_segments():
    samples = make_samples(9)
    values = evaluate(EventF1(), samples)
    assert set(values) == {f'{v}_f1/{m}' for v in ('event', 'segment') for m in ('joint', 'audio', 'visual')}
    assert values['event_f1/audio'] == pytest.approx(100 * event_f1(*labels_of(samples, 'audio'), 3, 2))
    assert values['segment_f1/joint'] == pytest.approx(100 * segment_f1(*labels_of(samples, 'joint'), 3, 2))
    strict = evaluate(EventF1(miou=1.0, average='class', background=0), samples)
    assert strict['event_f1/joint'] == pytest.approx(
        100 * event_f1(*labels_of(samples, 'joint'), 3, 0, miou=1.0, average='class'))


def test_localization_by_distance_in_both_directions():
    samples = make_samples(30)
    values = evaluate(CrossModalLocalization(seconds=True), samples)
    distance = torch.stack([s.pred_distance for s in samples])
    mask = np.stack([s.gt_mask for s in samples])
    for direction in ('a2v', 'v2a'):
        answers = localize_by_distance(distance, mask, direction)
        assert values[f'localization/{direction}'] == pytest.approx(answers.accuracy(True, percent=True))
        assert values[f'localization/{direction}_covered'] == pytest.approx(100 * answers.covered.sum() / mask.sum())


def test_localization_by_logits_in_the_direction_of_the_model():
    samples = make_samples(2)
    for sample, mask, logits in zip(samples, ([0, 1, 1, 0, 0, 0], [1] * 6), ([0, 2, 2, 1, 0, 0], [0] * 6),
                                    strict=True):
        sample.set_gt_mask(mask).set_field(torch.tensor(logits), 'pred_event_logits', field_type='data')
    metric = CrossModalLocalization('v2a', source='event_logits')
    assert evaluate(metric, samples) == {'localization/v2a': 100.0}
    # Full-length events count for logits, and do not for distances.
    samples[0].set_gt_mask([1, 1, 0, 0, 0, 0])
    assert evaluate(metric, samples) == {'localization/v2a': 50.0}
    metric.skip_full = True
    assert evaluate(metric, samples) == {'localization/v2a': 0.0}


@pytest.mark.parametrize(('metric', 'lacks', 'message'), [
    (SegmentAccuracy(), 'pred_segments',
     'SegmentAccuracy: sample s1 has no pred_segments; it takes an event localiser'),
    (EventF1(), 'gt_segments', 'EventF1: sample s1 has no gt_segments; evaluate on a data set whose segments are'),
    (CrossModalLocalization(), 'pred_distance',
     'sample s1 has no pred_distance; it takes a cross-modal matching model'),
    (CrossModalLocalization(), 'gt_mask', 'sample s1 has no gt_mask; evaluate on a data set that marks the event'),
    (AVAccuracy(), None, 'AVAccuracy: sample s0 has no pred_score; it takes a model that scores classes'),
])
def test_what_is_missing_is_named(metric, lacks, message):
    samples = make_samples(2)
    if lacks:
        delattr(samples[1], lacks)
    with pytest.raises(DataError, match=message):
        evaluate(metric, samples)


def test_segments_that_do_not_fit_are_refused():
    samples = make_samples(6)
    samples[1].set_gt_segments([0, 1])
    with pytest.raises(DataError, match=r'sample s1 has gt_segments of shape \(2,\), others \(6,\)'):
        evaluate(SegmentAccuracy(), samples)
    samples[0].set_gt_segments([0, 1])
    with pytest.raises(DataError, match='6 segments are predicted for sample s0, which has 2'):
        evaluate(SegmentAccuracy(), samples[:2])
    longer = make_samples(6)
    for sample in longer[4:]:
        sample.set_gt_segments([0]).set_pred_segments(torch.tensor([0])).set_unimodal_segments({})
    with pytest.raises(DataError, match=r'samples have joint of unequal shapes: \(1,\), \(6,\)'):
        evaluate(SegmentAccuracy(), longer)


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: EventF1(miou=1.5), r'EventF1.miou must be in \(0, 1\], got 1.5'),
    (lambda: EventF1(average='micro'), "EventF1.average must be one of video, class, got 'micro'"),
    (lambda: evaluate(EventF1(background=3), make_samples(2)), 'EventF1.background is 3, there are 3 classes'),
    (lambda: CrossModalLocalization(('a2v', 'up')), r'directions must be of a2v, v2a, got'),
    (lambda: CrossModalLocalization(source='guess'), "must be 'distance' or 'event_logits', got 'guess'"),
    (lambda: CrossModalLocalization(source='event_logits'), "set directions='a2v' or directions='v2a'"),
    (lambda: PredictionDump('a.csv'), 'PredictionDump.out_file must end in .npz or .jsonl, got a.csv'),
])
def test_options_are_checked(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_results_do_not_leak_into_the_next_epoch():
    metric = SegmentAccuracy()
    first = evaluate(metric, make_samples(9))
    evaluate(metric, make_samples(9, seed=1))
    assert evaluate(metric, make_samples(9)) == first


def test_configs_name_them():
    with DefaultScope.overwrite_default_scope('avmm'):
        evaluator = Evaluator([dict(type='SegmentAccuracy'), dict(type='EventF1'),
                               dict(type='CrossModalLocalization', directions='a2v')])
    evaluator.dataset_meta = dict(classes=CLASSES)
    evaluator.process(make_samples(6))
    assert {'segment_accuracy/joint', 'event_f1/joint', 'segment_f1/joint', 'localization/a2v'} <= set(
        evaluator.evaluate(6))


def test_dump_writes_segments(tmp_path):
    samples = make_samples(5)
    evaluate(PredictionDump(tmp_path / 'out' / 'p.npz'), samples)
    with np.load(tmp_path / 'out' / 'p.npz') as file:
        assert (file['pred_segments'] == labels_of(samples, 'joint')[0]).all()
        assert (file['gt_segments'] == labels_of(samples, 'joint')[1]).all()
        assert (file['segments_audio'] == labels_of(samples, 'audio')[0]).all()
        assert file['pred_segment_scores'].shape == (5, SIZE, 3) and file['pred_segment_scores'].dtype == np.float32
        assert file['gt_mask'].dtype == bool and file['pred_distance'].shape == (5, SIZE, SIZE)
        assert 'pred_score' not in file.files


def test_dump_writes_json_lines(tmp_path):
    samples = make_samples(3, without_audio=(1, ))
    samples[2].set_gt_label(1)
    evaluate(PredictionDump(tmp_path / 'p.jsonl'), samples)
    rows = [json.loads(line) for line in (tmp_path / 'p.jsonl').read_text().splitlines()]
    assert [row['sample_id'] for row in rows] == ['s0', 's1', 's2']
    assert rows[1]['pred_segments'] == samples[1].pred_segments.tolist()
    assert 'segments_audio' in rows[0] and 'segments_audio' not in rows[1] and rows[2]['gt_label'] == 1


def test_dump_refuses_samples_without_predictions(tmp_path):
    with pytest.raises(DataError, match='PredictionDump: sample a has no prediction'):
        PredictionDump(tmp_path / 'p.npz').process({}, [dict(sample_id='a', gt_label=1)])
    uneven = make_samples(2)
    uneven[1].set_pred_segments(torch.tensor([0]))
    with pytest.raises(DataError, match='have pred_segments of unequal shapes; write a .jsonl file'):
        evaluate(PredictionDump(tmp_path / 'p.npz'), uneven)


def rank_evaluates(counts: list[int]) -> list[dict]:
    import torch.distributed as dist
    rank, world, values = dist.get_rank(), dist.get_world_size(), []
    for count in counts:
        samples = make_samples(count, without_audio=(1, 3))
        order = [*range(count), *range(-count % world)]
        own = [samples[i] for i in order[rank::world]]
        for metric in (SegmentAccuracy(), EventF1(), CrossModalLocalization(skip_full=False)):
            metric.dataset_meta = dict(classes=CLASSES)
            for i in range(0, len(own), 3):
                metric.process(None, [s.to_dict() for s in own[i:i + 3]])
            values.append(metric.evaluate(count))
    return values


def test_two_ranks_measure_what_one_does():
    counts = [11, 1]
    expected = [evaluate(metric, make_samples(count, without_audio=(1, 3))) for count in counts
                for metric in (SegmentAccuracy(), EventF1(), CrossModalLocalization(skip_full=False))]
    for values in run_ranks(rank_evaluates, 2, (counts, )):
        assert values == expected
