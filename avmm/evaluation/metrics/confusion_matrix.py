"""Which classes are taken for which."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from avmm.evaluation.functional import confusion_matrix
from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.evaluation.metrics.prediction_dump import write_npz
from avmm.registry import METRICS
from avmm.utils import ConfigError


@METRICS.register_module()
class ConfusionMatrix(ScoreMetric):
    """Counts of true and predicted classes, joint and of each modality, written to a file.

    The file holds ``joint`` and ``<modality>``, each ``(C, C)`` int64 with the true class in the row, and ``classes``
    ``(C,)`` where the data set names them. The matrices of the last evaluation are also in :attr:`matrices` of the
    main rank. A matrix is no scalar: there is nothing for the log.

    Args:
        out_file: Path of the ``.npz`` file; None writes none.
        **kwargs: Arguments of :class:`ScoreMetric`.

    Raises:
        ConfigError: If ``out_file`` is no ``.npz`` file.
    """

    default_prefix = 'confusion_matrix'

    def __init__(self, out_file: str | os.PathLike | None = None, **kwargs):
        super().__init__(**kwargs)
        if out_file is not None and Path(out_file).suffix != '.npz':
            raise ConfigError(f'ConfusionMatrix.out_file must end in .npz, got {out_file}')
        self.out_file = None if out_file is None else Path(out_file)
        self.matrices: dict[str, np.ndarray] = {}

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """Count, and write the file."""
        self.one_label(predictions)
        self.matrices = {name: confusion_matrix(*view) for name, view in predictions.views().items()}
        if self.out_file is not None:
            classes = (self.dataset_meta or {}).get('classes')
            write_npz(self.out_file, dict(self.matrices, **({'classes': np.array(classes)} if classes else {})))
        return {}
