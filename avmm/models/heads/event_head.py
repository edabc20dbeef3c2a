"""What is asked of the segments of a video, and the protocol of heads that answer it."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor

from avmm.structures import AVDataSample
from avmm.utils import DataError

Outputs = dict[str, Tensor]


@dataclass
class EventTargets:
    """What is known about the events of a batch.

    Attributes:
        segments: Class of each segment ``(B, S)``, int64; the last class is the background. None in weakly supervised
            training, which knows the videos alone.
        video: Class of each video ``(B,)``, int64, or target scores ``(B, C)``.
    """
    segments: Tensor | None
    video: Tensor

    @classmethod
    def from_samples(cls, data_samples: Sequence[AVDataSample], device: torch.device | str = 'cpu') -> EventTargets:
        """Gather ``gt_segments`` where all samples have it, and ``gt_score`` or else ``gt_label``.

        Raises:
            DataError: If the videos of the batch have unequal numbers of segments, or no label.
        """
        segments = None
        if all('gt_segments' in s for s in data_samples):
            rows = [np.asarray(s.gt_segments) for s in data_samples]
            for sample, row in zip(data_samples, rows, strict=True):
                if row.shape != rows[0].shape:
                    raise DataError(f'sample {sample.get("sample_id", "?")} has {row.shape[0]} labelled segments, '
                                    f'others of the batch {rows[0].shape[0]}; batch videos of one length')
            segments = torch.from_numpy(np.stack(rows).astype(np.int64)).to(device, non_blocking=True)
        if 'gt_score' in data_samples[0]:
            video = torch.stack([s.gt_score for s in data_samples]).to(device, non_blocking=True)
        elif 'gt_label' in data_samples[0]:
            video = torch.tensor([s.gt_label for s in data_samples], device=device)
        else:
            raise DataError(f'sample {data_samples[0].get("sample_id", "?")} has neither gt_label nor gt_score')
        return cls(segments, video)

    def segment_classes(self) -> Tensor:
        """``segments``, which fully supervised training cannot do without.

        Raises:
            DataError: If they are not known.
        """
        if self.segments is None:
            raise DataError('the samples have no gt_segments: a head for full supervision needs a data set with '
                            'segment labels; use one for weak supervision otherwise')
        return self.segments


class EventPrediction(NamedTuple):
    """What a head predicts.

    Attributes:
        labels: Class of each segment ``(B, S)``.
        scores: Probabilities of each segment ``(B, S, C + 1)``, the background last.
        video: Probabilities of each video ``(B, C)`` or, where videos may be background, ``(B, C + 1)``.
    """
    labels: Tensor
    scores: Tensor
    video: Tensor


class EventHead(BaseModule):
    """Base of heads that say what happens in each segment of a video.

    Args:
        num_events: Number of classes C of events; class C is the background.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, num_events: int = 28, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.num_events = num_events

    @property
    def background(self) -> int:
        """Index of the background class: the one behind the events."""
        return self.num_events

    @abstractmethod
    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> Outputs:
        """Named outputs of fused segments ``(B, S, D)``; ``feats`` are those of the model, for heads that look there.
        """

    @abstractmethod
    def loss(self, outputs: Outputs, targets: EventTargets) -> dict[str, Tensor]:
        """Loss terms ``{name: ()}``."""

    @abstractmethod
    def joint_logits(self, outputs: Outputs) -> Tensor:
        """Logits of the classes of each video, of the classes of :meth:`labels`."""

    @abstractmethod
    def labels(self, targets: EventTargets) -> Tensor:
        """The class of each video that :meth:`joint_logits` are to find: ``(B,)``, or scores like the logits."""

    @abstractmethod
    def predict(self, outputs: Outputs) -> EventPrediction:
        """Labels and probabilities."""


def video_class(segments: Tensor, background: int) -> Tensor:
    """Class ``(B,)`` of videos with one event each, from the classes of their segments ``(B, S)``.

    A video without any event counts as class 0, as in the published training of CMRAN and DMIN.
    """
    return segments.masked_fill(segments == background, 0).amax(1)


def gated_prediction(event_logits: Tensor, class_logits: Tensor, background: int) -> EventPrediction:
    """Segments where something happens get the class of their video, all others the background.

    A segment is an event where ``sigmoid(event_logits) > 0.5``, strictly. With the probability e of an event and those
    of the classes p, the probabilities of a segment are ``e * p``, and ``1 - e`` is added to the background.

    Args:
        event_logits: ``(B, S)``.
        class_logits: ``(B, C)``, or ``(B, C + 1)`` with a logit for videos of background.
        background: C.
    """
    event = event_logits.sigmoid()
    video = class_logits.softmax(-1)
    labels = torch.where(event_logits > 0, class_logits.argmax(-1, keepdim=True), background)
    scores = event.new_zeros(*event.shape, background + 1)
    scores[..., :video.shape[-1]] = event.unsqueeze(-1) * video.unsqueeze(1)
    scores[..., background] += 1 - event
    return EventPrediction(labels, scores, video)
