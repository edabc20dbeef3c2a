"""Heads of the audio-guided networks of AVE: one softmax over events and background."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.heads import EventHead, EventPrediction, EventTargets
from avmm.registry import LOSSES, MODELS


@MODELS.register_module()
class AVELHead(EventHead):
    r"""Classifies every segment on its own, the background as one class among the others.

    Of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018), with the scores :math:`s_t` of a
    classifier of one or two layers:

    .. math:: P_t = softmax(s_t), \qquad L = SoftMargin(P, y)

    The logits of a video are its largest scores over all segments; its label is the event, or the background where
    there is none.

    Outputs: ``scores`` ``(B, S, C + 1)``.

    Args:
        in_channels: Width D of the segments; the model fills it in.
        num_events: Number of classes C of events.
        hidden_channels: Width of a layer between; None leaves it out.
        loss: Config of the loss of the probabilities ``(B, S, C + 1)`` against the classes ``(B, S)``.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, in_channels: int, num_events: int = 28, hidden_channels: int | None = 64,
                 loss: dict | None = None, init_cfg: dict | None = None):
        super().__init__(num_events, init_cfg)
        self.hidden = nn.Linear(in_channels, hidden_channels) if hidden_channels else None
        self.classifier = nn.Linear(hidden_channels or in_channels, num_events + 1)
        for layer in (self.hidden, self.classifier):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)
        self.loss_fn = LOSSES.build(dict(loss or dict(type='SoftMarginLoss')))

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """``scores`` of segments ``(B, S, D)``."""
        if self.hidden is not None:
            segments = self.hidden(segments).relu()
        return dict(scores=self.classifier(segments))

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_segment``.

        Raises:
            DataError: If segments are not labelled.
        """
        return dict(loss_segment=self.loss_fn(outputs['scores'].softmax(-1), targets.segment_classes()))

    def joint_logits(self, outputs: dict[str, Tensor]) -> Tensor:
        """``(B, C + 1)``, the largest score of each class."""
        return outputs['scores'].amax(1)

    def labels(self, targets: EventTargets) -> Tensor:
        """The event of each video, or the background, ``(B,)``."""
        # The background has the largest index: among the rest, the event is the largest but -1.
        segments = targets.segment_classes()
        event = segments.masked_fill(segments == self.background, -1).amax(1)
        return torch.where(event < 0, self.background, event)

    def predict(self, outputs: dict[str, Tensor]) -> EventPrediction:
        """The most probable class of each segment."""
        scores = outputs['scores'].softmax(-1)
        return EventPrediction(scores.argmax(-1), scores, self.joint_logits(outputs).softmax(-1))


@MODELS.register_module()
class WeakAVELHead(AVELHead):
    r"""The same classifier, trained with the classes of whole videos.

    .. math:: P = softmax(\max_t s_t), \qquad L = SoftMargin(P, y)

    The loss is called with ``(B, C + 1)`` against the classes ``(B,)`` of the videos.
    """

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_video``."""
        return dict(loss_video=self.loss_fn(self.joint_logits(outputs).softmax(-1), targets.video))

    def labels(self, targets: EventTargets) -> Tensor:
        """The class of each video ``(B,)``, or scores ``(B, C + 1)``."""
        return targets.video

    def predict(self, outputs: dict[str, Tensor]) -> EventPrediction:
        """The class of the largest score of each segment."""
        return super().predict(outputs)._replace(labels=outputs['scores'].argmax(-1))
