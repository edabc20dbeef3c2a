"""Cross-modality localisation (DCMR): the event of one modality is looked for in the other."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from avmm.models.attention import recorded_maps
from avmm.models.base import Feats
from avmm.models.heads import EventTargets
from avmm.models.localizers import CrossModalLocalizer
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError

#: Direction of the search: the modality in which the event is known, and the one that is searched.
DIRECTIONS = dict(a2v=('audio', 'visual'), v2a=('visual', 'audio'))


@MODELS.register_module()
class DCMR(CrossModalLocalizer):
    """Finds the segments of one modality that belong to an event known in the other.

    Of "Dense Modality Interaction Network for Audio-Visual Event Localization" (IEEE TMM 2022). Encoders and decoders
    are those of :class:`CrossModalLocalizer` on one vector a segment; then the searched modality is weighed with the
    means of the query at the segments of its event, and the head reads the result.

    Which segments the event covers in the query is part of the task, in testing too: it comes as ``gt_mask`` of the
    samples, or as ``inputs['mask']`` ``(B, S)`` with ``mode='tensor'``. Predictions are ``pred_event_logits`` ``(S,)``
    of the searched modality, in which :class:`~avmm.evaluation.metrics.CrossModalLocalization` searches the window.

    In the place of joint logits are those of the segments ``(B, S)``. What a modality says alone: the head reads its
    memory, which has met neither the other modality nor the mask.

    Args:
        head: Config of the head.
        direction: ``'a2v'``: the event is known in the audio; ``'v2a'``: in the visual modality.
        matching: Config of the matching step, ``(query, target, mask)`` to ``(B, S, D)``.
        **options: Further arguments of :class:`CrossModalLocalizer`.

    Raises:
        ConfigError: If the direction is another one.

    Example:
        >>> model = MODELS.build(dict(type='DCMR', direction='a2v', head=dict(type='WindowHead')))
        >>> mask = torch.arange(10).expand(2, 10) < 4
        >>> model(dict(audio=torch.rand(2, 10, 128), visual=torch.rand(2, 10, 512), mask=mask)).shape
        torch.Size([2, 10])
    """

    def __init__(self, head: dict, direction: str = 'a2v', matching: dict | None = None, **options):
        if direction not in DIRECTIONS:
            raise ConfigError(f'DCMR.direction is {direction!r}; it must be one of {", ".join(DIRECTIONS)}')
        super().__init__(head, projection=False, interaction=matching, **options)
        self.direction = direction
        self.query, self.searched = DIRECTIONS[direction]

    def build_interaction(self, cfg: dict | None, channels: int) -> nn.Module:
        """The matching step, in the place of the interaction of both modalities."""
        return MODELS.build(dict(cfg or dict(type='AccumulatingMatching')))

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """As :class:`CrossModalLocalizer`, and the ``mask`` ``(B, S)`` of the event.

        Raises:
            ConfigError: If the visual features are maps.
            DataError: If there is no mask.
        """
        if inputs['visual'].dim() != 3:
            raise ConfigError('DCMR reads one visual vector a segment (B, S, D), got '
                              f'{tuple(inputs["visual"].shape)}; maps have to be averaged over their locations')
        if 'mask' not in inputs:
            raise DataError("DCMR needs the segments of the event in the query: inputs['mask'] (B, S), or gt_mask of "
                            'the samples')
        return dict(super().extract_feat(inputs), mask=inputs['mask'])

    def fuse_segments(self, feats: Feats) -> Tensor:
        """The searched modality, weighed by the query, ``(B, S, D)``."""
        decoded = self.decode(feats)
        return self.interaction(decoded[self.query], decoded[self.searched], feats['mask'])

    def unimodal_segments(self, feats: Feats) -> dict[str, Tensor]:
        """The memory of each modality."""
        return {m: feats[m] for m in self.modalities}

    def targets(self, data_samples: Sequence[AVDataSample], device: torch.device) -> EventTargets:
        """The marks of the event, which are the query and the answer at once."""
        mask = event_masks(data_samples, device)
        return EventTargets(segments=mask, video=mask)

    def loss(self, inputs: dict[str, Tensor], data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """As :class:`CrossModalLocalizer`, with the mask of the samples."""
        return super().loss(self.with_mask(inputs, data_samples), data_samples)

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``event_logits`` ``(B, S)`` of the searched modality; ``inputs`` hold the ``mask`` of the query."""
        return dict(event_logits=self.fuse(self.extract_feat(self.cast(inputs))))

    def predict(self, inputs: dict[str, Tensor], data_samples: Sequence[AVDataSample]) -> Sequence[AVDataSample]:
        """Add ``pred_event_logits``, and maps of attention where they are asked for."""
        with recorded_maps(self.map_sources() if self.with_attention else {}) as maps:
            logits = self.fuse(self.extract_feat(self.cast(self.with_mask(inputs, data_samples))))
        for i, sample in enumerate(data_samples):
            sample.set_field(logits[i], 'pred_event_logits', field_type='data')
            if maps:
                sample.set_attention({name: values[i] for name, values in maps.items()})
        return data_samples

    def with_mask(self, inputs: dict[str, Tensor], data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """The inputs and the mask of the samples."""
        return dict(inputs, mask=event_masks(data_samples, inputs['audio'].device))


def event_masks(data_samples: Sequence[AVDataSample], device: torch.device) -> Tensor:
    """``gt_mask`` of the samples, ``(B, S)`` bool.

    Raises:
        DataError: If a sample has none.
    """
    for sample in data_samples:
        if 'gt_mask' not in sample:
            raise DataError(f'sample {sample.get("sample_id", "?")} has no gt_mask; use the matching setting of the '
                            'data set')
    return torch.from_numpy(np.stack([s.gt_mask for s in data_samples])).to(device, non_blocking=True)
