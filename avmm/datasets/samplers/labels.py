"""Class labels of a data set, without loading any of its media."""
from __future__ import annotations

import numpy as np

from avmm.utils import ConfigError


def cat_ids_of(dataset) -> list[list[int]]:
    """Class indices of every sample.

    Args:
        dataset: A data set with ``get_cat_ids(index)``, or with ``labels``, an array ``(N,)``.

    Raises:
        ConfigError: If it has neither.
    """
    labels = getattr(dataset, 'labels', None)
    if labels is not None:
        return [[int(label)] for label in np.asarray(labels)]
    if hasattr(dataset, 'get_cat_ids'):
        return [list(dataset.get_cat_ids(i)) for i in range(len(dataset))]
    raise ConfigError(f'{type(dataset).__name__} has neither labels nor get_cat_ids(index), which this sampler needs')


def inverse_frequency_weights(cat_ids: list[list[int]]) -> np.ndarray:
    r"""Weight of each sample, the sum over its labels of :math:`1000 / (n_c + 0.01)`, as float64 ``(N,)``.

    :math:`n_c` is how often class c occurs. Source: the balanced sampling of "PSLA" (Gong et al., 2021), which UAVM
    (Gong et al., 2022) uses as well.
    """
    flat = np.array([c for ids in cat_ids for c in ids], dtype=np.int64)
    owner = np.repeat(np.arange(len(cat_ids)), [len(ids) for ids in cat_ids])
    class_weights = 1000.0 / (np.bincount(flat) + 0.01)
    return np.bincount(owner, weights=class_weights[flat], minlength=len(cat_ids))
