"""Batch normalisation of activations that have a time axis."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StepBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm for S steps folded into the batch, ``(S * N, C, H, W)``, in a pass that stands for several equal ones.

    Released programs run a network T times on the same input, each run with the same batch statistics s, and keep the
    running statistics of all of them: ``r <- (1 - m) r + m s``, T times, which is once with the momentum
    ``1 - (1 - m)^T``. Where a pass has S steps of its own, ``r' = a r + c`` with ``a = (1 - m)^S``, and T passes are
    ``a^T r + c (1 - a^T) / (1 - a)``. ``num_batches_tracked`` counts all of them.

    Args:
        channels: Number of channels C.
        steps: Number S of steps in the batch.
        repeats: Number T of equal passes that this one stands for.
        joint: Take the statistics over all steps together; one update then counts for the pass. By default each step
            has statistics of its own, as in a loop over the steps.
    """

    def __init__(self, channels: int, steps: int = 1, repeats: int = 1, joint: bool = False):
        super().__init__(channels)
        self.updates = 1 if joint else steps
        self.repeats = repeats

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(S * N, C, H, W)``."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        self.num_batches_tracked.add_(self.updates * self.repeats)
        if self.updates == 1:
            return self._normalise(x, (self.running_mean, self.running_var), 1 - (1 - self.momentum)**self.repeats)
        if self.repeats == 1:
            running = self.running_mean, self.running_var
        else:
            # The graph keeps what it is given, which must not change before the backward pass.
            running = self.running_mean.clone(), self.running_var.clone()
        y = torch.cat([self._normalise(part, running, self.momentum) for part in x.chunk(self.updates)])
        if self.repeats > 1:
            self._extrapolate(running)
        return y

    def _normalise(self, x: Tensor, running: tuple[Tensor, Tensor], momentum: float) -> Tensor:
        return F.batch_norm(x, *running, self.weight, self.bias, True, momentum, self.eps)

    def _extrapolate(self, after: tuple[Tensor, Tensor]) -> None:
        a = (1 - self.momentum)**self.updates
        share = (1 - a**self.repeats) / (1 - a)
        for old, new in zip((self.running_mean, self.running_var), after, strict=True):
            old.copy_((new - a * old) * share + a**self.repeats * old)
