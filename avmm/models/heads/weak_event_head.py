"""Event head for training with the labels of whole videos."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.heads.event_head import EventHead, EventPrediction, EventTargets, gated_prediction
from avmm.registry import LOSSES, MODELS


@MODELS.register_module()
class WeakEventHead(EventHead):
    r"""Finds the segments of an event while it learns from the classes of whole videos.

    Of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM 2020),
    with the fused segments :math:`f_t`; the class logits r hold one more for videos of background:

    .. math:: s_t = w^T f_t + b, \qquad r = W \max_t f_t + b', \qquad z = \max_t \sigma(s_t) r, \qquad P = softmax(z)

    The loss sees P alone; s has no supervision of its own.

    Outputs: ``event_logits`` s ``(B, S)``, ``class_logits`` r ``(B, C + 1)``, ``video_logits`` z ``(B, C + 1)``.

    Args:
        in_channels: Width D of the segments.
        num_events: Number of classes C of events.
        loss_video: Config of the loss of the probabilities P ``(B, C + 1)`` against the classes of the videos.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, in_channels: int = 256, num_events: int = 28, loss_video: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(num_events, init_cfg)
        self.event = nn.Linear(in_channels, 1)
        self.classes = nn.Linear(in_channels, num_events + 1)
        self.video_loss = LOSSES.build(dict(loss_video or dict(type='SoftMarginLoss')))

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """``event_logits``, ``class_logits`` and ``video_logits`` of segments ``(B, S, D)``."""
        return pooled_outputs(segments, self.event, self.classes)

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_video``."""
        return dict(loss_video=self.video_loss(outputs['video_logits'].softmax(-1), targets.video))

    def joint_logits(self, outputs: dict[str, Tensor]) -> Tensor:
        """``video_logits``, of which the loss takes the softmax."""
        return outputs['video_logits']

    def labels(self, targets: EventTargets) -> Tensor:
        """Class of each video ``(B,)``, that of the background included, or the scores ``(B, C + 1)``."""
        return targets.video

    def predict(self, outputs: dict[str, Tensor]) -> EventPrediction:
        """The largest of ``class_logits`` in each segment with an event; see :func:`gated_prediction`.

        It may be the background itself. The probabilities of the videos are P.
        """
        labels, scores, _ = gated_prediction(outputs['event_logits'], outputs['class_logits'], self.background)
        return EventPrediction(labels, scores, outputs['video_logits'].softmax(-1))


def pooled_outputs(segments: Tensor, event: nn.Module, classes: nn.Module) -> dict[str, Tensor]:
    """Outputs of :class:`WeakEventHead` with the given layers, for segments ``(B, S, D)``."""
    event_logits = event(segments).squeeze(-1)
    class_logits = classes(segments.max(1).values)
    gated = event_logits.sigmoid().unsqueeze(-1) * class_logits.unsqueeze(1)
    return dict(event_logits=event_logits, class_logits=class_logits, video_logits=gated.max(1).values)
