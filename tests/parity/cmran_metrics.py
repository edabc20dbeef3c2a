"""Cases of ``cmran``: segment accuracy, and pictures of attention."""
from __future__ import annotations

from typing import Any

import numpy as np

from avmm.evaluation.functional import (
    as_segment_labels,
    batch_segment_accuracy,
    event_class_labels,
    segment_accuracy,
    video_segment_accuracy,
)

Arrays = dict[str, np.ndarray]


def event_class_accuracy(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Segment accuracy of both settings in per cent: of all, of each batch, and of each video."""
    labels = inputs['labels']
    guess = event_class_labels(inputs['is_event'], inputs['class_logits'], background=labels.shape[-1] - 1)
    targets = as_segment_labels(labels)
    return dict(acc=segment_accuracy(guess, targets, percent=True),
                batch_acc=batch_segment_accuracy(guess, targets, meta['options']['batch'], percent=True)[0],
                per_video_acc=video_segment_accuracy(guess, targets, percent=True))


def score_accuracy(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Segment accuracy as a share: of all videos, and of the first few."""
    scores, labels, first = inputs['scores'], inputs['labels'], meta['options']['first']
    return dict(acc=segment_accuracy(scores, labels), acc_first=segment_accuracy(scores[:first], labels[:first]))


PARTS = {'supv_metric': event_class_accuracy, 'weak_metric': event_class_accuracy, 'avel_metric': score_accuracy}
