"""What the functions on scores share: any array in, checked NumPy out."""
from __future__ import annotations

import numpy as np
import torch

from avmm.utils import ConfigError, DataError

Array = np.ndarray | torch.Tensor


def as_numpy(values: Array | list) -> np.ndarray:
    """A NumPy array of what may be a tensor on any device, in any precision."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)


def as_scores(scores: Array) -> np.ndarray:
    """Scores ``(N, C)`` as a floating array.

    Raises:
        ConfigError: If they have another shape.
        DataError: If one of them is not a number.
    """
    array = as_numpy(scores)
    if array.ndim != 2:
        raise ConfigError(f'scores must have the shape (N, C), got {array.shape}')
    if array.dtype.kind != 'f':
        array = array.astype(np.float64)
    if np.isnan(array).any():
        row, column = np.argwhere(np.isnan(array))[0]
        raise DataError(f'the score of sample {row} for class {column} is not a number')
    return array


def as_labels(labels: Array, count: int | None = None, num_classes: int | None = None) -> np.ndarray:
    """Class indices ``(N,)`` as int64.

    Args:
        labels: The indices.
        count: N, if it is known.
        num_classes: C, if it is known.

    Raises:
        ConfigError: If there are not N of them, or they are not whole numbers.
        DataError: If one is not in 0 to C - 1.
    """
    array = as_numpy(labels)
    if array.ndim != 1 or (count is not None and len(array) != count):
        raise ConfigError(f'labels must have the shape ({"N" if count is None else count},), got {array.shape}')
    if array.dtype.kind not in 'iub' and array.size:
        raise ConfigError(f'labels must be whole numbers, got {array.dtype}')
    array = array.astype(np.int64)
    bad = (array < 0) if num_classes is None else (array < 0) | (array >= num_classes)
    if bad.any():
        where = int(bad.argmax())
        limit = '' if num_classes is None else f' to {num_classes - 1}'
        raise DataError(f'the label of sample {where} is {array[where]}; labels go from 0{limit}')
    return array


def as_targets(targets: Array, shape: tuple[int, int]) -> np.ndarray:
    """Class indices ``(N,)`` or multi-hot targets ``(N, C)`` as bool ``(N, C)``; a score above 0.5 is a yes.

    Raises:
        ConfigError: If the shape fits neither.
    """
    array = as_numpy(targets)
    if array.ndim == 1:
        labels = as_labels(array, *shape)
        hot = np.zeros(shape, dtype=bool)
        hot[np.arange(len(labels)), labels] = True
        return hot
    if array.shape != tuple(shape):
        raise ConfigError(f'targets must have the shape ({shape[0]},) or {tuple(shape)}, got {array.shape}')
    return array > 0.5
