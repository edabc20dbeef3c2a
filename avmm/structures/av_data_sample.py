"""What is known and what is predicted about one clip."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


class AVDataSample(BaseDataElement):
    """Labels and predictions of one audio-visual sample.

    Meta fields (never moved between devices): ``sample_id`` (str), ``num_classes`` (int), ``modalities`` (names of the
    modalities that the sample has), and whatever ``PackAVInputs`` is told to keep.

    Data fields, each present only when it is known:

    ============================  ==============================================================================
    ``gt_label``                  class indices, int or tuple of int: plain Python numbers, which cross from a
                                  worker for nothing where a tensor would cost a file descriptor each
    ``gt_score``                  target distribution or multi-hot targets ``(C,)``
    ``pred_score``                joint class probabilities ``(C,)``
    ``pred_label``                index of the largest joint score, tensor ``()``
    ``unimodal_scores``           ``{modality: (C,)}``, what each modality says alone
    ``gt_segments``               class of every segment, int64 array ``(S,)``; background is a class of its own
    ``gt_mask``                   which segments the event covers, bool array ``(S,)``
    ``pred_segments``             predicted class of every segment, int64 tensor ``(S,)``
    ``pred_segment_scores``       class scores of every segment ``(S, C)``, probabilities where the model has them
    ``unimodal_segments``         ``{modality: (S,)}``, predicted classes by each modality alone
    ``attention``                 ``{name: (S, ...)}``, attention maps where they were asked for, such as ``spatial``
                                  ``(S, H, W)``
    ============================  ==============================================================================

    Example:
        >>> sample = AVDataSample(metainfo=dict(sample_id='clip_3', num_classes=10))
        >>> sample.set_gt_label(3).gt_label
        3
    """

    def set_gt_label(self, label: int | Sequence[int]) -> AVDataSample:
        """Set the class index, or the tuple of indices of a multi-label sample."""
        if hasattr(label, 'tolist'):
            label = label.tolist()
        value = tuple(int(i) for i in label) if isinstance(label, (list, tuple)) else int(label)
        self.set_field(value, 'gt_label', field_type='data')
        return self

    def set_gt_score(self, score: Tensor) -> AVDataSample:
        """Set the target distribution or multi-hot targets ``(C,)``."""
        self.set_field(torch.as_tensor(score), 'gt_score', field_type='data')
        return self

    def set_pred_score(self, score: Tensor) -> AVDataSample:
        """Set joint class probabilities ``(C,)`` and the label that they imply."""
        self.set_field(score, 'pred_score', field_type='data')
        self.set_field(score.argmax(-1), 'pred_label', field_type='data')
        return self

    def set_unimodal_scores(self, scores: dict[str, Tensor]) -> AVDataSample:
        """Set ``{modality: (C,)}``, the class probabilities of each modality alone."""
        self.set_field(dict(scores), 'unimodal_scores', field_type='data')
        return self

    @property
    def scores_by_name(self) -> dict[str, Tensor]:
        """``{'joint': (C,)}``, and what each modality says alone under its name, where that is known."""
        return {'joint': self.pred_score, **(self.get('unimodal_scores') or {})}

    def set_gt_segments(self, segments: Sequence[int] | np.ndarray) -> AVDataSample:
        """Set the class of every segment ``(S,)``."""
        self.set_field(np.asarray(segments, dtype=np.int64), 'gt_segments', field_type='data')
        return self

    def set_gt_mask(self, mask: Sequence[bool] | np.ndarray) -> AVDataSample:
        """Set which segments the event covers ``(S,)``."""
        self.set_field(np.asarray(mask, dtype=np.bool_), 'gt_mask', field_type='data')
        return self

    def set_pred_segments(self, segments: Tensor, scores: Tensor | None = None) -> AVDataSample:
        """Set the predicted class of every segment ``(S,)`` and, if the model has them, class scores ``(S, C)``."""
        self.set_field(segments, 'pred_segments', field_type='data')
        if scores is not None:
            self.set_field(scores, 'pred_segment_scores', field_type='data')
        return self

    def set_unimodal_segments(self, segments: dict[str, Tensor]) -> AVDataSample:
        """Set ``{modality: (S,)}``, the predicted classes by each modality alone."""
        self.set_field(dict(segments), 'unimodal_segments', field_type='data')
        return self

    def set_attention(self, maps: dict[str, Tensor]) -> AVDataSample:
        """Set ``{name: (S, ...)}``, the attention maps of the sample."""
        self.set_field(dict(maps), 'attention', field_type='data')
        return self
