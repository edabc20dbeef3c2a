"""Cases of ``cmran``: segment accuracy, and pictures of attention."""
from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from avmm.evaluation.functional import (
    as_segment_labels,
    batch_segment_accuracy,
    event_class_labels,
    segment_accuracy,
    video_segment_accuracy,
)
from avmm.visualization.attention_overlay import colour_maps, resize_maps, segment_frames, stretch_maps

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


def attention_picture(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Attention over the cells, stretched, enlarged and coloured, and the frames that it belongs to."""
    logits = torch.as_tensor(inputs['attention_logits'], dtype=torch.float64).unsqueeze(-1)
    maps = logits.softmax(-2).unflatten(-2, (math.isqrt(logits.shape[-2]), -1)).squeeze(-1)
    scaled = stretch_maps(maps)
    resized = resize_maps(scaled)
    shown = (..., slice(3, None, 17), slice(5, None, 19))
    frames = np.stack([segment_frames(length, scaled.shape[1]) for length in meta['options']['video_lengths']])
    return dict(scaled=scaled, frame_index=frames.reshape(len(frames), -1), resized=resized[shown],
                resized_uint8=resized[shown].astype(np.uint8),
                heat_bgr=colour_maps(resized[0, 0][shown], 'jet')[..., ::-1])


PARTS = {'supv_metric': event_class_accuracy, 'weak_metric': event_class_accuracy, 'avel_metric': score_accuracy,
         'avel_attention_picture': attention_picture}
