"""What metrics on joint predictions and on those of each modality share."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from avmm.evaluation.functional import as_numpy
from avmm.evaluation.metrics.table import Table, TableMetric
from avmm.utils import ConfigError, DataError

JOINT = 'joint'
_TRUTH = ' truth'


@dataclass
class Predictions:
    """Predictions and truth of N samples: scores of the C classes, or classes of the S segments.

    Attributes:
        scores: ``{'joint': (N, C), modality: (N, C)}``, or ``(N, S)`` each. Rows of samples that lack a modality hold
            zeros.
        present: ``{modality: (N,)}`` bool, which samples have a prediction by it.
        labels: Class indices ``(N,)``, or ``(N, S)`` of segments; None if samples may have several classes.
        targets: Multi-hot or soft targets ``(N, C)``, or None.
    """
    scores: dict[str, np.ndarray]
    present: dict[str, np.ndarray] = field(default_factory=dict)
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None

    def views(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """``{name: (predictions, truth)}`` of the n samples that have the predictions, each ``(n, ...)``.

        Modalities that no sample has are left out.
        """
        truth = self.labels if self.labels is not None else self.targets
        views = {}
        for name, scores in self.scores.items():
            rows = self.present.get(name)
            if rows is None or rows.all():
                views[name] = scores, truth
            elif rows.any():
                views[name] = scores[rows], truth[rows]
        return views


class PredictionMetric(TableMetric):
    """Base of metrics on a joint prediction and, where there are any, on those of each modality alone.

    A subclass names the fields of the samples, and implements :meth:`truth` and :meth:`measure`.

    Args:
        modalities: Which modalities to report besides the joint prediction; None is every one that predicts, an empty
            tuple none.
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.
        prefix: Put in front of the names of the values.
        collect_dir: Shared folder where several ranks gather on ``'cpu'``.

    Raises:
        ConfigError: At the end of the epoch, if a modality that was asked for predicts nothing.
    """

    #: Field of the joint prediction, and of ``{modality: prediction}``.
    joint_field: str
    unimodal_field: str
    #: What makes the joint prediction.
    maker: str
    #: Dimensions of class indices; a truth with one more is multi-hot.
    label_dims: int

    def __init__(self, modalities: Sequence[str] | None = None, collect_device: str = 'cpu', prefix: str | None = None,
                 collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.modalities = None if modalities is None else tuple(modalities)

    @abstractmethod
    def truth(self, samples: list[dict], joint: Tensor) -> Tensor:
        """What is right for the samples of a batch, given their joint predictions."""

    @abstractmethod
    def measure(self, predictions: Predictions) -> dict[str, float]:
        """Values of the whole data set by name, without prefix."""

    def collect(self, samples: list[dict]) -> Table:
        """Joint predictions, those of each modality that is to be reported, and the truth."""
        joint = self.stacked(samples, self.joint_field, f'it takes {self.maker}')
        table = Table(len(samples), {JOINT: joint, _TRUTH: self.truth(samples, joint)})
        alone = [s.get(self.unimodal_field) or {} for s in samples]
        for name in sorted(set().union(*alone)):
            if self.modalities is None or name in self.modalities:
                table.add(name, [a.get(name) for a in alone])
        return table

    def measure_table(self, table: Table) -> dict[str, float]:
        """Hand the columns to :meth:`measure`."""
        truth = as_numpy(table.columns.pop(_TRUTH))
        missing = [m for m in self.modalities or () if m not in table.columns]
        if missing:
            raise ConfigError(f'{type(self).__name__}.modalities names {missing[0]!r}, which has no scores; '
                              f'there are {", ".join(table.columns)}')
        indices = truth.ndim == self.label_dims
        return self.measure(Predictions(
            {name: as_numpy(scores) for name, scores in table.columns.items()},
            {name: as_numpy(rows) for name, rows in table.present.items()},
            labels=truth if indices else None, targets=None if indices else truth))


class ScoreMetric(PredictionMetric):
    """Base of metrics on the scores of C classes: ``pred_score`` and, where there are any, ``unimodal_scores``.

    A subclass implements :meth:`measure`.

    Args:
        **kwargs: Arguments of :class:`PredictionMetric`.
    """

    joint_field, unimodal_field = 'pred_score', 'unimodal_scores'
    maker = 'a model that scores classes'
    label_dims = 1

    def truth(self, samples: list[dict], joint: Tensor) -> Tensor:
        """Class indices ``(B,)``, or targets ``(B, C)`` if samples may have several classes."""
        labels = [s.get('gt_label') for s in samples]
        if all(label is None for label in labels):
            if any(s.get('gt_score') is None for s in samples):
                raise DataError(f'sample {samples[0].get("sample_id", "?")} has neither gt_label nor gt_score')
            return torch.stack([torch.as_tensor(s['gt_score']) for s in samples])
        if all(isinstance(label, int) for label in labels):
            return torch.tensor(labels)
        target = torch.zeros(joint.shape)
        for row, label in zip(target, labels, strict=True):
            row[torch.as_tensor(label, dtype=torch.long)] = 1
        return target

    def one_label(self, predictions: Predictions) -> None:
        """Refuse samples with several classes.

        Raises:
            ConfigError: If there are such samples.
        """
        if predictions.labels is None:
            raise ConfigError(f'{type(self).__name__} needs one class a sample; several take MultiLabelMetric')


class SegmentMetric(PredictionMetric):
    """Base of metrics on the class of each segment: ``pred_segments`` and, where there are any, ``unimodal_segments``.

    A subclass implements :meth:`measure`.

    Args:
        **kwargs: Arguments of :class:`PredictionMetric`.
    """

    joint_field, unimodal_field = 'pred_segments', 'unimodal_segments'
    maker = 'an event localiser'
    label_dims = 2

    def truth(self, samples: list[dict], joint: Tensor) -> Tensor:
        """Classes of the segments ``(B, S)``."""
        truth = self.stacked(samples, 'gt_segments', 'evaluate on a data set whose segments are labelled')
        if truth.shape != joint.shape:
            raise DataError(f'{type(self).__name__}: {joint.shape[1]} segments are predicted for sample '
                            f'{samples[0].get("sample_id", "?")}, which has {truth.shape[1]}')
        return truth

    def classes(self, predictions: Predictions) -> list[str]:
        """Names of the classes, those of the data set or else numbers; the background is the last one."""
        named = list((self.dataset_meta or {}).get('classes') or ())
        seen = [predictions.labels, *(scores for scores, _ in predictions.views().values())]
        count = max(len(named), 1 + max(int(labels.max(initial=0)) for labels in seen))
        return [str(name) for name in [*named, *range(len(named), count)]]
