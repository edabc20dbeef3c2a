"""Generalised zero-shot recognition as a metric."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from avmm.evaluation.metrics.table import Table, TableMetric
from avmm.registry import METRICS
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.evaluation import BETAS, Calibration, calibrate, combined_beta

_LABEL = ' label'
MODES = ('both', 'visual', 'audio')


@METRICS.register_module()
class GZSLMetric(TableMetric):
    """Recognition among seen and unseen classes by calibrated distances, in per cent.

    The model gives every sample ``gzsl_distances``, ``{mode: (C,)}`` to the classes of the data set, where a mode is
    ``'both'``, ``'visual'`` or ``'audio'``. ``gzsl/seen``, ``gzsl/unseen``, ``gzsl/hm`` and ``gzsl/zsl`` are those of
    the first of these modes that there is; with several, all of them follow as ``gzsl/audio/hm`` and so on.

    In validation the calibration with the best harmonic mean is chosen among ``betas`` (``gzsl/beta``), and
    ``gzsl/test_beta`` is the one for the test. There, ``beta`` is that number.

    Args:
        beta: The calibration; None chooses the best one. It may be set later, on the object.
        betas: Calibrations to choose from; ``dict(start=0, stop=3, num=16)`` stands for evenly spaced ones. Defaults
            to 0 to 3 in steps of 0.2.
        beta_rule: How ``test_beta`` follows from those of the modes; see
            :func:`~projects.tcaf.tcaf.evaluation.combined_beta`.
        empty: What a class without clips does: ``'skip'`` or ``'nan'``; see
            :func:`~projects.tcaf.tcaf.evaluation.calibrate`.
        details: Whether to report the recall of every class as ``gzsl/recall/<class>``.
        out_file: File for curves and recalls, which ``projects/tcaf/tools/gzsl_curves.py`` draws.
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.
        prefix: Put in front of the names of the values.
        collect_dir: Shared folder where several ranks gather on ``'cpu'``.

    Attributes:
        last: ``{mode: Calibration}`` of the last evaluation, on the main rank; with ``beta``, that is its best one.
    """

    default_prefix = 'gzsl'

    def __init__(self, beta: float | None = None, betas: Sequence[float] | Mapping | None = None,
                 beta_rule: str = 'tcaf', empty: str = 'skip', details: bool = False, out_file: str | None = None,
                 collect_device: str = 'cpu', prefix: str | None = None, collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if betas is None:
            betas = BETAS
        self.betas = np.linspace(**betas) if isinstance(betas, Mapping) else np.asarray(betas, np.float64)
        combined_beta(self.betas[:1], beta_rule)
        self.beta, self.beta_rule, self.empty, self.details = beta, beta_rule, empty, details
        self.out_file = out_file
        self.last: dict[str, Calibration] = {}

    def collect(self, samples: list[dict]) -> Table:
        """Distances of every mode, and the class."""
        distances = [s.get('gzsl_distances') for s in samples]
        if not distances[0]:
            raise DataError(f'{type(self).__name__}: sample {samples[0].get("sample_id", "?")} has no gzsl_distances; '
                            'it takes a zero-shot model')
        columns = {mode: torch.stack([d[mode] for d in distances]).detach() for mode in distances[0]}
        return Table(len(samples), {**columns, _LABEL: torch.tensor([int(s['gt_label']) for s in samples])})

    def measure_table(self, table: Table) -> dict[str, float]:
        """``{'seen': per cent, 'unseen': ..., 'hm': ..., 'zsl': ..., 'beta': ...}`` and so on."""
        meta = self.dataset_meta or {}
        missing = [key for key in ('class_ids', 'seen_ids', 'unseen_ids') if key not in meta]
        if missing:
            raise ConfigError(f'{type(self).__name__}: the data set does not say its {missing[0]}; take GZSLDataset')
        labels = table.columns.pop(_LABEL)
        # The curve is drawn for a given calibration too.
        betas = self.betas if self.beta is None else np.union1d(self.betas, self.beta)
        self.last = {mode: calibrate(distances.float(), labels, meta['class_ids'], meta['seen_ids'],
                                     meta['unseen_ids'], betas, self.empty)
                     for mode, distances in table.columns.items()}
        if self.beta is not None:
            given = int(np.searchsorted(betas, self.beta))
            self.last = {mode: replace(found, best=given) for mode, found in self.last.items()}
        main = next(iter(sorted(self.last, key=lambda m: MODES.index(m) if m in MODES else len(MODES))))
        values = percentages(self.last[main])
        if self.beta is None:
            values['test_beta'] = combined_beta([found.beta for found in self.last.values()], self.beta_rule)
        if len(self.last) > 1:
            for mode, found in self.last.items():
                values.update((f'{mode}/{name}', value) for name, value in percentages(found).items())
        if self.details:
            found, names = self.last[main], self.class_names()
            values.update((f'recall/{name}', 100 * float(r)) for name, r, n in
                          zip(names, found.recalls[found.best], found.counts, strict=True) if n)
        if self.out_file:
            write_curves(self.out_file, self.last, self.class_names())
        return values

    def class_names(self) -> list[str]:
        """Names of the classes in the order of their numbers, those of the data set or else numbers."""
        meta = self.dataset_meta or {}
        ids = list(meta['class_ids'])
        names = dict(zip(ids, meta.get('classes') or map(str, ids), strict=True))
        return [str(names[i]) for i in sorted(ids)]


def percentages(found: Calibration, index: int | None = None) -> dict[str, float]:
    """As :meth:`Calibration.summary`, the shares in per cent."""
    return {name: value if name == 'beta' else 100 * value for name, value in found.summary(index).items()}


def write_curves(path: str | os.PathLike, found: Mapping[str, Calibration], names: Sequence[str]) -> None:
    """Write curves and recalls, 0 to 1, as JSON: ``{'classes': [...], 'modes': {mode: {...}}}``."""
    modes = {}
    for mode, result in found.items():
        modes[mode] = dict(best=result.best, **{name: _plain(getattr(result, name)) for name in (
            'betas', 'seen', 'unseen', 'hm', 'zsl', 'is_seen', 'counts', 'zsl_recalls')},
            recalls=_plain(result.recalls[result.best]))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.tmp')
    unfinished.write_text(json.dumps(dict(classes=list(names), modes=modes)) + '\n')
    os.replace(unfinished, path)


def _plain(values: np.ndarray | float) -> list | float:
    """Numbers of JSON, which has none that are not a number."""
    values = np.asarray(values)
    plain = values.tolist() if values.dtype.kind != 'f' else np.where(np.isnan(values), None, values).tolist()
    return plain
