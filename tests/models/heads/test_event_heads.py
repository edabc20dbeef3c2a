"""Heads of event localisation: outputs, targets, losses and the rule of prediction."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from avmm.models import EventTargets, SupervisedEventHead, WeakEventHead
from avmm.models.heads.event_head import gated_prediction
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import DataError

BG = 3


def sample(label: int | None = None, segments=None) -> AVDataSample:
    made = AVDataSample(metainfo=dict(sample_id=f'clip_{label}'))
    if label is not None:
        made.set_gt_label(label)
    if segments is not None:
        made.set_gt_segments(segments)
    return made


@pytest.fixture
def targets() -> EventTargets:
    return EventTargets.from_samples([sample(2, [3, 2, 2, 3]), sample(0, [3, 3, 3, 3]), sample(1, [1, 1, 1, 1])])


@pytest.fixture
def segments() -> torch.Tensor:
    return torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))


def supervised(**options) -> SupervisedEventHead:
    torch.manual_seed(0)
    return MODELS.build(dict(type='SupervisedEventHead', in_channels=8, num_events=BG, **options))


def weak(**options) -> WeakEventHead:
    torch.manual_seed(0)
    return MODELS.build(dict(type='WeakEventHead', in_channels=8, num_events=BG, **options))


def test_targets_of_samples(targets):
    assert targets.segments.dtype == torch.int64 and targets.segments.shape == (3, 4)
    assert targets.video.tolist() == [2, 0, 1]
    assert EventTargets.from_samples([sample(2)]).segments is None


def test_target_scores_win_over_labels():
    scores = [torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.5, 0.5])]
    samples = [sample(1).set_gt_score(score) for score in scores]
    assert torch.equal(EventTargets.from_samples(samples).video, torch.stack(scores))


def test_targets_that_cannot_be():
    with pytest.raises(DataError, match='sample clip_1 has 2 labelled segments, others of the batch 4'):
        EventTargets.from_samples([sample(0, [3, 3, 3, 3]), sample(1, np.array([1, 1]))])
    with pytest.raises(DataError, match='sample clip_None has neither gt_label nor gt_score'):
        EventTargets.from_samples([sample()])


def test_supervised_losses_by_hand(segments, targets):
    head = supervised()
    outputs = head(segments, {})
    event = head.event(segments).squeeze(-1)
    classes = head.classes(segments.amax(1))
    torch.testing.assert_close(outputs, dict(event_logits=event, class_logits=classes))
    mask = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).float()
    assert torch.equal(head.event_mask(targets).float(), mask)
    losses = head.loss(outputs, targets)
    torch.testing.assert_close(losses['loss_event'], F.binary_cross_entropy(event.sigmoid(), mask))
    # The second video has no event and counts as class 0.
    torch.testing.assert_close(losses['loss_class'], F.cross_entropy(classes, torch.tensor([2, 0, 1])))
    assert head.joint_logits(outputs) is outputs['class_logits']


def test_weights_of_the_terms(segments, targets):
    plain = supervised().loss(supervised()(segments, {}), targets)
    head = supervised(loss_event=dict(type='BCELoss', loss_weight=0.5),
                      loss_class=dict(type='CrossEntropyLoss', loss_weight=2.0))
    losses = head.loss(head(segments, {}), targets)
    torch.testing.assert_close(losses['loss_event'], 0.5 * plain['loss_event'])
    torch.testing.assert_close(losses['loss_class'], 2 * plain['loss_class'])


def test_full_supervision_needs_segments(segments):
    head = supervised()
    with pytest.raises(DataError, match='no gt_segments: a head for full supervision needs a data set with segment'):
        head.loss(head(segments, {}), EventTargets(None, torch.tensor([0, 1, 2])))


def test_weak_outputs_and_loss_by_hand(segments):
    head = weak()
    outputs = head(segments, {})
    gate, raw = head.event(segments).sigmoid(), head.classes(segments.amax(1))
    z = torch.stack([gate[:, t] * raw for t in range(4)]).amax(0)
    torch.testing.assert_close(outputs['video_logits'], z)
    targets = EventTargets(None, torch.tensor([0, BG, 1]))
    loss = head.loss(outputs, targets)
    expected = F.multilabel_soft_margin_loss(z.softmax(-1), F.one_hot(targets.video, BG + 1).float())
    torch.testing.assert_close(loss, dict(loss_video=expected))
    assert head.labels(targets) is targets.video
    torch.testing.assert_close(head.predict(outputs).video, z.softmax(-1))


def test_one_video(segments):
    for head in (supervised(), weak()):
        outputs = head(segments[:1, :1], {})
        assert outputs['event_logits'].shape == (1, 1)
        assert outputs['class_logits'].shape[0] == 1
        assert head.predict(outputs).labels.shape == (1, 1)


def test_segments_get_the_class_of_their_video_or_the_background():
    event = torch.tensor([[1.0, 0.0, -1.0]])
    classes = torch.tensor([[0.0, 2.0, 1.0]])
    labels, scores, video = gated_prediction(event, classes, BG)
    # A logit of zero is no event.
    assert labels.tolist() == [[1, BG, BG]]
    torch.testing.assert_close(scores.sum(-1), torch.ones(1, 3))
    torch.testing.assert_close(scores[0, :, BG], 1 - event[0].sigmoid())
    torch.testing.assert_close(scores[0, 0, :BG], event[0, 0].sigmoid() * video[0])


def test_the_background_may_be_the_class_of_a_video():
    classes = torch.tensor([[0.0, 0.0, 0.0, 4.0]])
    labels, scores, _ = gated_prediction(torch.tensor([[5.0, -5.0]]), classes, BG)
    assert labels.tolist() == [[BG, BG]]
    torch.testing.assert_close(scores.sum(-1), torch.ones(1, 2))
