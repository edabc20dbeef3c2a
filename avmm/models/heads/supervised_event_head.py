"""Event head for training with labelled segments."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.heads.event_head import EventHead, EventPrediction, EventTargets, gated_prediction, video_class
from avmm.registry import LOSSES, MODELS


@MODELS.register_module()
class SupervisedEventHead(EventHead):
    r"""Tells events from background in each segment, and the class of the event once a video.

    Of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM 2020),
    with the fused segments :math:`f_t`:

    .. math:: s_t = w^T f_t + b, \qquad r = W \max_t f_t + b'
    .. math:: L = BCE(\sigma(s), y) + CE(r, k)

    y marks the segments of an event and k is the class of the event. The class term takes in every video; one without
    an event counts as class 0.

    Outputs: ``event_logits`` ``(B, S)`` and ``class_logits`` ``(B, C)``.

    Args:
        in_channels: Width D of the segments.
        num_events: Number of classes C of events.
        loss_event: Config of the loss of ``event_logits`` against marks ``(B, S)``.
        loss_class: Config of the loss of ``class_logits`` against classes ``(B,)``.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, in_channels: int = 256, num_events: int = 28, loss_event: dict | None = None,
                 loss_class: dict | None = None, init_cfg: dict | None = None):
        super().__init__(num_events, init_cfg)
        self.event = nn.Linear(in_channels, 1)
        self.classes = nn.Linear(in_channels, num_events)
        self.event_loss = LOSSES.build(dict(loss_event or dict(type='BCELoss')))
        self.class_loss = LOSSES.build(dict(loss_class or dict(type='CrossEntropyLoss')))

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """``event_logits`` and ``class_logits`` of segments ``(B, S, D)``."""
        return dict(event_logits=self.event(segments).squeeze(-1), class_logits=self.classes(segments.max(1).values))

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_event`` and ``loss_class``.

        Raises:
            DataError: If segments are not labelled.
        """
        event_logits = outputs['event_logits']
        return dict(loss_event=self.event_loss(event_logits, self.event_mask(targets).to(event_logits.dtype)),
                    loss_class=self.class_loss(outputs['class_logits'], self.labels(targets)))

    def event_mask(self, targets: EventTargets) -> Tensor:
        """Whether each segment is part of an event, ``(B, S)``."""
        return torch.ne(targets.segment_classes(), self.background)

    def joint_logits(self, outputs: dict[str, Tensor]) -> Tensor:
        """``class_logits``."""
        return outputs['class_logits']

    def labels(self, targets: EventTargets) -> Tensor:
        """Class of the event of each video ``(B,)``, 0 where there is none."""
        return video_class(targets.segment_classes(), self.background)

    def predict(self, outputs: dict[str, Tensor]) -> EventPrediction:
        """The class of the video in each segment with an event; see :func:`gated_prediction`."""
        return gated_prediction(outputs['event_logits'], outputs['class_logits'], self.background)
