"""Event heads with unimodal discrimination: a second opinion of the visual memory alone."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.heads import EventHead, EventPrediction, EventTargets, SupervisedEventHead, WeakEventHead
from avmm.models.heads.weak_event_head import pooled_outputs
from avmm.registry import LOSSES, MODELS
from avmm.utils import ConfigError, DataError


def check_weight(head: EventHead, weight: float) -> float:
    """The weight of the unimodal term, within [0, 1].

    Raises:
        ConfigError: If it is not.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f'{type(head).__name__}.unimodal_weight is {weight}; it must be from 0 to 1')
    return weight


@MODELS.register_module()
class DMINSupervisedHead(SupervisedEventHead):
    r"""Event head for labelled segments, with unimodal discrimination.

    Of "Dense Modality Interaction Network for Audio-Visual Event Localization" (IEEE TMM 2022). The visual memory
    :math:`m_t`, which has not met the decoders, has to tell the class as well:

    .. math:: L = BCE(\sigma(s), y) + (1 - \lambda) \, CE(r, k) + \lambda \, CE(W' \max_t m_t + b'', k)

    Outputs: those of :class:`SupervisedEventHead`, and ``unimodal_logits`` ``(B, C)``.

    Args:
        in_channels: Width D of the segments and of the memory.
        num_events: Number of classes C of events.
        unimodal_weight: Share lambda of the unimodal term, published 0.1; 0 leaves it out.
        modality: The modality whose memory is read.
        **options: Further arguments of :class:`SupervisedEventHead`.
    """

    def __init__(self, in_channels: int = 256, num_events: int = 28, unimodal_weight: float = 0.1,
                 modality: str = 'visual', **options):
        super().__init__(in_channels, num_events, **options)
        self.unimodal_weight, self.modality = check_weight(self, unimodal_weight), modality
        self.unimodal_classes = nn.Linear(in_channels, num_events)

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of segments ``(B, S, D)`` and of the memory in ``feats``."""
        memory = feats[self.modality]
        return dict(super().forward(segments, feats), unimodal_logits=self.unimodal_classes(memory.max(1).values))

    def loss_terms(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """The three terms before they are weighed."""
        unimodal = self.class_loss(outputs['unimodal_logits'], self.labels(targets))
        return dict(super().loss(outputs, targets), loss_unimodal=unimodal)

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_event``, ``loss_class`` and ``loss_unimodal``, weighed."""
        return weigh(self.loss_terms(outputs, targets), 'loss_class', self.unimodal_weight)


@MODELS.register_module()
class DMINWeakHead(WeakEventHead):
    r"""Event head for labels of whole videos, with unimodal discrimination.

    Of "Dense Modality Interaction Network for Audio-Visual Event Localization" (IEEE TMM 2022). P' is computed from
    the visual memory like P from the fused segments, with layers of its own:

    .. math:: L = (1 - \lambda) \, M(P, Y) + \lambda \, M(P', Y)

    Outputs: those of :class:`WeakEventHead`, and ``unimodal_logits`` ``(B, C + 1)``, whose softmax is P'.

    Args:
        in_channels: Width D of the segments and of the memory.
        num_events: Number of classes C of events.
        unimodal_weight: Share lambda of the unimodal term, published 0.08; 0 leaves it out.
        modality: The modality whose memory is read.
        **options: Further arguments of :class:`WeakEventHead`.
    """

    def __init__(self, in_channels: int = 256, num_events: int = 28, unimodal_weight: float = 0.08,
                 modality: str = 'visual', **options):
        super().__init__(in_channels, num_events, **options)
        self.unimodal_weight, self.modality = check_weight(self, unimodal_weight), modality
        self.unimodal_event = nn.Linear(in_channels, 1)
        self.unimodal_classes = nn.Linear(in_channels, num_events + 1)

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of segments ``(B, S, D)`` and of the memory in ``feats``."""
        alone = pooled_outputs(feats[self.modality], self.unimodal_event, self.unimodal_classes)
        return dict(super().forward(segments, feats), unimodal_logits=alone['video_logits'])

    def loss_terms(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """Both terms before they are weighed."""
        unimodal = self.video_loss(outputs['unimodal_logits'].softmax(-1), targets.video)
        return dict(super().loss(outputs, targets), loss_unimodal=unimodal)

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_video`` and ``loss_unimodal``, weighed."""
        return weigh(self.loss_terms(outputs, targets), 'loss_video', self.unimodal_weight)


def weigh(terms: dict[str, Tensor], joint: str, weight: float) -> dict[str, Tensor]:
    """Share the weight 1 out between the joint term and ``loss_unimodal``; without weight that term is left out."""
    unimodal = terms.pop('loss_unimodal')
    if weight:
        terms.update({joint: (1 - weight) * terms[joint], 'loss_unimodal': weight * unimodal})
    return terms


@MODELS.register_module()
class WindowHead(EventHead):
    r"""Tells in each segment of the searched modality whether the event is there, with :math:`s_t = w^T f_t + b`.

    Of the cross-modality localisation in "Dense Modality Interaction Network for Audio-Visual Event Localization"
    (IEEE TMM 2022); the loss is the binary cross-entropy of s against the marks.

    Outputs: ``event_logits`` ``(B, S)``; with ``class_layers`` also ``class_logits`` and ``unimodal_logits``
    ``(B, C)``.

    Args:
        in_channels: Width D of the segments.
        num_events: Number of classes C of events, of ``class_layers``.
        class_layers: Also have the two layers for classes that released checkpoints contain. No loss reads them.
        modality: The modality whose memory the second of these layers reads.
        loss_event: Config of the loss of ``event_logits`` against marks ``(B, S)``.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, in_channels: int = 256, num_events: int = 28, class_layers: bool = False,
                 modality: str = 'visual', loss_event: dict | None = None, init_cfg: dict | None = None):
        super().__init__(num_events, init_cfg)
        self.event = nn.Linear(in_channels, 1)
        self.modality = modality
        self.classes = nn.Linear(in_channels, num_events) if class_layers else None
        self.unimodal_classes = nn.Linear(in_channels, num_events) if class_layers else None
        self.event_loss = LOSSES.build(dict(loss_event or dict(type='BCELoss')))

    def forward(self, segments: Tensor, feats: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of segments ``(B, S, D)``."""
        outputs = dict(event_logits=self.event(segments).squeeze(-1))
        if self.classes is not None:
            outputs['class_logits'] = self.classes(segments.max(1).values)
            outputs['unimodal_logits'] = self.unimodal_classes(feats[self.modality].max(1).values)
        return outputs

    def loss(self, outputs: dict[str, Tensor], targets: EventTargets) -> dict[str, Tensor]:
        """``loss_event``."""
        logits = outputs['event_logits']
        return dict(loss_event=self.event_loss(logits, self.labels(targets).to(logits.dtype)))

    def joint_logits(self, outputs: dict[str, Tensor]) -> Tensor:
        """``event_logits``: the segments take the place of classes."""
        return outputs['event_logits']

    def labels(self, targets: EventTargets) -> Tensor:
        """Marks of the event ``(B, S)``, bool.

        Raises:
            DataError: If the targets are not marks.
        """
        if targets.segments is None or targets.segments.dtype is not torch.bool:
            raise DataError('WindowHead learns from gt_mask; use the matching setting of the data set')
        return targets.segments

    def predict(self, outputs: dict[str, Tensor]) -> EventPrediction:
        """Which segments are more likely than not part of the event: labels 0 and 1, and their probabilities."""
        logits = outputs['event_logits']
        event = logits.sigmoid()
        return EventPrediction((logits > 0).long(), torch.stack([1 - event, event], -1), event)
