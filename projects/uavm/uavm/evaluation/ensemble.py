"""Means over epochs: of predictions, and of weights."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from avmm.utils import ConfigError


class RunningMean:
    r"""Mean of the predictions of all epochs so far: :math:`c_e = ((e - 1) c_{e-1} + p_e) / e`.

    Attributes:
        count: Number of epochs e.
        value: Their mean, of the shape of one prediction, float64; None before the first.
    """

    def __init__(self, count: int = 0, value: np.ndarray | None = None):
        self.count, self.value = count, value

    def add(self, prediction: np.ndarray) -> np.ndarray:
        """Take an epoch in and return the mean.

        Raises:
            ConfigError: If it has another shape than those before.
        """
        prediction = np.asarray(prediction, np.float64)
        if self.value is not None and self.value.shape != prediction.shape:
            raise ConfigError(f'predictions of shape {prediction.shape} cannot join a mean of {self.value.shape}; '
                              'validate on the same data in every epoch')
        before = 0.0 if self.value is None else self.value * self.count
        self.count += 1
        self.value = (before + prediction) / self.count
        return self.value


class WeightMean:
    """Arithmetic mean of the weights of several epochs, from their running sum.

    Integer tensors, such as counters, take part as well and are rounded down in the end.

    Attributes:
        count: Number of epochs.
        total: Their sum by name; empty before the first.
    """

    def __init__(self, count: int = 0, total: Mapping[str, Tensor] | None = None):
        self.count, self.total = count, dict(total or {})

    @torch.no_grad()
    def add(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of an epoch in."""
        for name, value in state.items():
            value = value.detach().cpu()
            # Sums of halves would lose the later epochs.
            value = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
            self.total[name] = value.clone() if name not in self.total else self.total[name].add_(value)
        self.count += 1

    def mean(self) -> dict[str, Tensor]:
        """The mean by name.

        Raises:
            ConfigError: If there are no weights yet.
        """
        if not self.count:
            raise ConfigError('there are no weights to average; do the epochs of the average lie within training?')
        return {name: value / self.count if value.is_floating_point() else value // self.count
                for name, value in self.total.items()}
