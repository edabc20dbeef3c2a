"""Writing the predictions of a test run to a file."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric

from avmm.registry import METRICS


@METRICS.register_module()
class PredictionDump(BaseMetric):
    """Write predictions as arrays that need no AVMM to read.

    The file holds ``sample_id`` (N,) str, ``gt_label`` (N,) int (or ``gt_score`` (N, C) of a multi-label set),
    ``pred_score`` (N, C) float32, and ``score_<modality>`` (N, C) float32 for each modality that every sample has a
    score of; it is written under another name first and then renamed.

    Args:
        out_file: Path of the ``.npz`` file.
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.

    Example:
        >>> with np.load('predictions.npz') as f:
        ...     accuracy = (f['pred_score'].argmax(1) == f['gt_label']).mean()
    """

    def __init__(self, out_file: str | os.PathLike, collect_device: str = 'cpu'):
        super().__init__(collect_device=collect_device)
        self.out_file = Path(out_file)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep what the samples say, on the host."""
        for sample in data_samples:
            row = {'sample_id': str(sample.get('sample_id', len(self.results))),
                   'pred_score': sample['pred_score'].float().cpu().numpy()}
            label = sample.get('gt_label')
            if isinstance(label, int):
                row['gt_label'] = label
            elif label is not None:
                target = np.zeros(len(row['pred_score']), np.float32)
                target[list(label)] = 1
                row['gt_score'] = target
            for modality, score in sample.get('unimodal_scores', {}).items():
                row[f'score_{modality}'] = score.float().cpu().numpy()
            self.results.append(row)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write the file; there is nothing to report."""
        if is_main_process() and results:
            keys = set(results[0]).intersection(*results)
            write_npz(self.out_file, {key: np.array([row[key] for row in results]) for key in sorted(keys)})
        return {}


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
