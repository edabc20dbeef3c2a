"""Accuracy, average precision, area and d-prime of both modalities and of their mean, in one pass."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from avmm.evaluation.metrics import ScoreMetric
from avmm.evaluation.metrics.base import JOINT, Predictions
from avmm.evaluation.metrics.table import Table
from avmm.registry import LOSSES, METRICS
from avmm.utils import ConfigError
from projects.uavm.uavm.evaluation.statistics import class_statistics, middle_points

_LOSS = ' loss'


@METRICS.register_module()
class UAVMStatistics(ScoreMetric):
    """The statistics of UAVM for the joint scores and for those of each modality.

    ``accuracy/<name>`` and ``mAP/<name>`` in per cent, ``AUC/<name>`` in 0 to 1 and ``d_prime/<name>``; with ``loss``
    also ``val_loss/<name>``, the mean over batches of the loss of each batch, whatever its size. What the published
    program finds in three passes over the data comes from the two forwards of one.

    Args:
        loss: Config of the loss to report, on the scores that the model gives; None reports none.
        loss_field: Field of the samples that the joint loss is of; ``pred_score`` gives that of the extractor's
            published logs, whose scores are probabilities already.
        middle: Kind of curves of the "middle" precision and recall, ``'whole'`` or ``'cut'``; see
            :func:`~projects.uavm.uavm.evaluation.statistics.middle_points`. None reports none.
        keep: Whether the joint scores and the targets of the last evaluation are kept as ``latest``.
        **kwargs: Arguments of :class:`~avmm.evaluation.metrics.ScoreMetric`.

    Attributes:
        latest: ``(scores (N, C), targets (N, C))`` of the last evaluation, on the first rank.
    """

    # The values have names of their own; an empty prefix adds none.
    default_prefix = ''

    def __init__(self, loss: dict | None = None, loss_field: str = 'pred_score', middle: str | None = None,
                 keep: bool = False, modalities: Sequence[str] | None = None, **kwargs):
        super().__init__(modalities, **kwargs)
        if middle not in (None, 'whole', 'cut'):
            raise ConfigError(f"UAVMStatistics.middle must be 'whole', 'cut' or None, got {middle!r}")
        self.loss = None if loss is None else LOSSES.build(loss)
        self.loss_field, self.middle, self.keep = loss_field, middle, keep
        self.latest: tuple[np.ndarray, np.ndarray] | None = None
        self._losses: dict[str, float] = {}

    def collect(self, samples: list[dict]) -> Table:
        """The scores of a batch, and its losses shared out among its samples."""
        table = super().collect(samples)
        if self.loss is not None:
            scores = {name: column for name, column in table.columns.items() if not name.startswith(' ')}
            if self.loss_field != self.joint_field:
                scores[JOINT] = self.stacked(samples, self.loss_field, 'name a field of the predictions in loss_field')
            truth = self.truth(samples, scores[JOINT]).to(scores[JOINT].device)
            losses = [self.loss(value.float(), self._for_loss(truth)) for value in scores.values()]
            # The last column adds up to the number of batches.
            shares = torch.stack([*losses, torch.ones_like(losses[0])]) / len(samples)
            table.columns[_LOSS] = shares.expand(len(samples), -1)
            self._loss_names = list(scores)
        return table

    def _for_loss(self, truth: Tensor) -> Tensor:
        return truth if truth.dim() == 1 or getattr(self.loss, 'multi_label', False) else truth.float()

    def measure_table(self, table: Table) -> dict[str, float]:
        """Take the losses off, and measure the rest."""
        shares = table.columns.pop(_LOSS, None)
        values = super().measure_table(table)
        if shares is not None:
            *losses, batches = shares.double().sum(0).tolist()
            values.update({f'val_loss/{name}': value / batches
                           for name, value in zip(self._loss_names, losses, strict=True)})
        return values

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'accuracy/joint': per cent, 'mAP/joint': per cent, 'AUC/joint': area, ...}``."""
        values = {}
        for name, (scores, truth) in predictions.views().items():
            found = class_statistics(scores, truth)
            values.update({f'accuracy/{name}': 100 * found.acc, f'mAP/{name}': 100 * found.mAP,
                           f'AUC/{name}': found.mAUC, f'd_prime/{name}': found.dprime})
            if self.middle is not None:
                precision, recall = middle_points(scores, truth, self.middle)
                values.update({f'middle_precision/{name}': float(precision.mean()),
                               f'middle_recall/{name}': float(recall.mean())})
            if self.keep and name == JOINT:
                self.latest = scores, truth
        return values
