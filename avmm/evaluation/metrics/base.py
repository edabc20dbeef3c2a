"""What metrics on class scores share: collecting the scores, joint and of each modality."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, collect_results, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from torch import Tensor

from avmm.evaluation.functional import as_numpy
from avmm.utils import ConfigError, DataError

JOINT = 'joint'


@dataclass
class Predictions:
    """Scores and truth of N samples.

    Attributes:
        scores: ``{'joint': (N, C), modality: (N, C)}``. Rows of samples that lack a modality hold zeros.
        present: ``{modality: (N,)}`` bool, which samples have a score of it.
        labels: Class indices ``(N,)``, or None if samples may have several classes.
        targets: Multi-hot or soft targets ``(N, C)``, or None.
    """
    scores: dict[str, np.ndarray]
    present: dict[str, np.ndarray] = field(default_factory=dict)
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None

    def views(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """``{name: (scores (n, C), truth (n,) or (n, C))}`` of the samples that have the scores.

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


class ScoreMetric(BaseMetric):
    """Base of metrics on joint scores ``pred_score`` and, where there are any, on ``unimodal_scores``.

    The scores of a batch are stacked once and stay on their device until the end of the epoch. With several ranks,
    rank r of R holds the samples r, r + R, r + 2R and so on; what a sampler added to fill the last round is dropped.

    A subclass implements :meth:`measure`.

    Args:
        modalities: Which modalities to report besides the joint prediction; None is every one with scores, an empty
            tuple none.
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.
        prefix: Put in front of the names of the values.
        collect_dir: Shared folder where several ranks gather on ``'cpu'``.

    Raises:
        ConfigError: At the end of the epoch, if a modality that was asked for has no scores.
    """

    def __init__(self, modalities: Sequence[str] | None = None, collect_device: str = 'cpu', prefix: str | None = None,
                 collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.modalities = None if modalities is None else tuple(modalities)

    @abstractmethod
    def measure(self, predictions: Predictions) -> dict[str, float]:
        """Values of the whole data set by name, without prefix."""

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Stack the scores of a batch.

        Args:
            data_batch: Not used.
            data_samples: Samples with ``pred_score`` ``(C,)``, perhaps ``unimodal_scores`` ``{modality: (C,)}``, and
                ``gt_label`` or ``gt_score``.
        """
        samples = list(data_samples)
        if not samples:
            return
        joint = torch.stack([s['pred_score'] for s in samples]).detach()
        batch = dict(size=len(samples), scores={JOINT: joint}, present={}, truth=_truth(samples, joint.shape[1]))
        alone = [s.get('unimodal_scores') or {} for s in samples]
        for name in sorted(set().union(*alone)):
            if self.modalities is None or name in self.modalities:
                rows = [a.get(name) for a in alone]
                batch['scores'][name] = torch.stack([joint.new_zeros(joint.shape[1]) if r is None else r
                                                     for r in rows]).detach()
                batch['present'][name] = torch.tensor([r is not None for r in rows])
        self.results.append(batch)

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all ranks and measure.

        Args:
            size: Number of samples of the data set, without those that a sampler added.

        Returns:
            Values by name, prefix included; the same on every rank.

        Raises:
            DataError: If no batch was processed.
        """
        parts = collect_results([_join(self.results)], get_world_size(), self.collect_device, self.collect_dir)
        self.results.clear()
        # An error of the main rank reaches all ranks, which would wait for ever otherwise.
        outcome: list = [None]
        if is_main_process():
            try:
                outcome[0] = self.compute_metrics([p for p in _without_padding(parts, size) if p])
            except (ConfigError, DataError) as error:
                outcome[0] = error
        broadcast_object_list(outcome)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return {f'{self.prefix}/{name}' if self.prefix else name: value for name, value in outcome[0].items()}

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Measure what :meth:`process` has stacked."""
        table = _join(results)
        if table is None:
            raise DataError(f'{type(self).__name__}: there are no predictions; is the data set empty?')
        missing = [m for m in self.modalities or () if m not in table['scores']]
        if missing:
            raise ConfigError(f'{type(self).__name__}.modalities names {missing[0]!r}, which has no scores; '
                              f'there are {", ".join(table["scores"])}')
        truth = as_numpy(table['truth'])
        return self.measure(Predictions(
            {name: as_numpy(scores) for name, scores in table['scores'].items()},
            {name: as_numpy(rows) for name, rows in table['present'].items()},
            labels=truth if truth.ndim == 1 else None, targets=truth if truth.ndim == 2 else None))

    def one_label(self, predictions: Predictions) -> None:
        """Refuse samples with several classes.

        Raises:
            ConfigError: If there are such samples.
        """
        if predictions.labels is None:
            raise ConfigError(f'{type(self).__name__} needs one class a sample; several take MultiLabelMetric')


def _truth(samples: list[dict], num_classes: int) -> Tensor:
    """Class indices ``(B,)``, or targets ``(B, C)`` if samples may have several classes."""
    labels = [s.get('gt_label') for s in samples]
    if all(label is None for label in labels):
        if any(s.get('gt_score') is None for s in samples):
            raise DataError(f'sample {samples[0].get("sample_id", "?")} has neither gt_label nor gt_score')
        return torch.stack([torch.as_tensor(s['gt_score']) for s in samples])
    if all(isinstance(label, int) for label in labels):
        return torch.tensor(labels)
    target = torch.zeros(len(samples), num_classes)
    for row, label in zip(target, labels, strict=True):
        row[torch.as_tensor(label, dtype=torch.long)] = 1
    return target


def _join(batches: list[dict]) -> dict | None:
    """One table of several; a modality that a batch lacks altogether gets rows of zeros."""
    if not batches:
        return None
    names = {n: None for b in batches for n in b['scores']}
    scores, present = {}, {}
    for name in names:
        scores[name] = torch.cat([b['scores'].get(name, torch.zeros_like(b['scores'][JOINT])) for b in batches]).cpu()
        if name != JOINT:
            present[name] = torch.cat([b['present'].get(name, torch.zeros(b['size'], dtype=torch.bool))
                                       for b in batches])
    return dict(size=sum(b['size'] for b in batches), scores=scores, present=present,
                truth=torch.cat([b['truth'] for b in batches]).cpu())


def _without_padding(parts: list[dict | None], size: int) -> list[dict | None]:
    """Drop from the table of each rank what lies behind the first ``size`` samples of the data set.

    The k-th sample of rank r is number ``k * ranks + r`` of the data set, so every rank keeps the first of its own.
    """
    kept = []
    for rank, part in enumerate(parts):
        if part is None:
            continue
        own = min(part['size'], len(range(rank, size, len(parts))))
        kept.append(dict(size=own, truth=part['truth'][:own],
                         scores={n: s[:own] for n, s in part['scores'].items()},
                         present={n: p[:own] for n, p in part['present'].items()}))
    return kept
