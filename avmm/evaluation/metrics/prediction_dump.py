"""Writing the predictions of a test run to a file."""
from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric

from avmm.evaluation.functional import as_numpy
from avmm.registry import METRICS
from avmm.utils import ConfigError, DataError

# Arrays of samples that are written as they are.
_SEGMENTS = ('gt_segments', 'gt_mask', 'pred_segments', 'pred_segment_scores', 'pred_distance', 'pred_event_logits')


@METRICS.register_module()
class PredictionDump(BaseMetric):
    """Write predictions as arrays that need no AVMM to read.

    The file holds ``sample_id`` (N,) str, ``gt_label`` (N,) int (or ``gt_score`` (N, C) of a multi-label set),
    ``pred_score`` (N, C) float32, and ``score_<modality>`` (N, C) float32 for each modality that every sample has a
    score of. Models of segments add ``gt_segments`` and ``pred_segments`` (N, S), ``pred_segment_scores`` (N, S, C)
    float32 and ``segments_<modality>`` (N, S); models of cross-modal matching ``gt_mask`` (N, S), and
    ``pred_distance`` (N, S, S) or ``pred_event_logits`` (N, S) float32. Only what all samples have is written.

    A ``.jsonl`` file has the same under the same names, one JSON object a sample and line, each with all that the
    sample has. The file is written under another name first and then renamed.

    Args:
        out_file: Path of the ``.npz`` or ``.jsonl`` file.
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.

    Raises:
        ConfigError: If the file has another ending.

    Example:
        >>> with np.load('predictions.npz') as f:
        ...     accuracy = (f['pred_score'].argmax(1) == f['gt_label']).mean()
    """

    def __init__(self, out_file: str | os.PathLike, collect_device: str = 'cpu'):
        super().__init__(collect_device=collect_device)
        self.out_file = Path(out_file)
        if self.out_file.suffix not in ('.npz', '.jsonl'):
            raise ConfigError(f'PredictionDump.out_file must end in .npz or .jsonl, got {out_file}')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep what the samples say, on the host.

        Raises:
            DataError: If a sample has no prediction.
        """
        for sample in data_samples:
            row = {'sample_id': str(sample.get('sample_id', len(self.results)))}
            if sample.get('pred_score') is not None:
                row['pred_score'] = _host(sample['pred_score'])
            row.update((name, _host(sample[name])) for name in _SEGMENTS if sample.get(name) is not None)
            if not any(name.startswith('pred_') for name in row):
                raise DataError(f'PredictionDump: sample {row["sample_id"]} has no prediction')
            row.update(_label(sample))
            for modality, score in (sample.get('unimodal_scores') or {}).items():
                row[f'score_{modality}'] = _host(score)
            for modality, labels in (sample.get('unimodal_segments') or {}).items():
                row[f'segments_{modality}'] = _host(labels)
            self.results.append(row)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write the file; there is nothing to report."""
        if is_main_process() and results:
            if self.out_file.suffix == '.jsonl':
                write_json_lines(self.out_file, results)
            else:
                write_npz(self.out_file, as_arrays(results))
        return {}


def as_arrays(rows: Sequence[dict]) -> dict[str, np.ndarray]:
    """``{name: (N, ...)}`` of what all rows of a :class:`PredictionDump` have.

    Raises:
        DataError: If an array has another shape in another row.
    """
    arrays = {}
    for key in sorted(set(rows[0]).intersection(*rows)):
        if len({np.shape(row[key]) for row in rows}) > 1:
            raise DataError(f'PredictionDump: samples have {key} of unequal shapes; write a .jsonl file')
        arrays[key] = np.array([row[key] for row in rows])
    return arrays


def _host(value: torch.Tensor | np.ndarray) -> np.ndarray:
    """An array on the host, floats in float32."""
    array = as_numpy(value)
    return array.astype(np.float32, copy=False) if array.dtype.kind == 'f' else array


def _label(sample: dict) -> dict:
    """The true class of a sample, or its several ones as ``gt_score``; nothing where the size of that is unknown."""
    label, score = sample.get('gt_label'), sample.get('pred_score')
    if isinstance(label, int):
        return {'gt_label': label}
    if label is None or score is None:
        return {}
    target = np.zeros(len(score), np.float32)
    target[list(label)] = 1
    return {'gt_score': target}


def write_json_lines(path: Path, rows: Sequence[dict]) -> None:
    """Write one JSON object a row; the file is either whole or not there."""
    from avmm.engine.checkpoint import write_atomically
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        for row in rows:
            plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
            file.write((json.dumps(plain) + '\n').encode())


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed ``.npz`` that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            np.savez_compressed(file, **arrays)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
