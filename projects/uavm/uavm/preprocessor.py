"""Normalising, mixing and rolling a batch of features on the device."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.models.data_preprocessors import AVDataPreprocessor
from avmm.registry import MODELS

# Clips that are done together on a CPU: what they need fits into its second cache.
_CPU_CLIPS = 8


@MODELS.register_module()
class UAVMDataPreprocessor(AVDataPreprocessor):
    """Brings the batches of ``UAVMFeatureDataset(mode='batch')`` into their final form; others pass as they are.

    Every clip becomes ``(T, D)`` float32: cut or padded with zeros, each row divided by its length, mixed with its
    partner, and rolled; these steps have the order and the values of single clips.

    Args:
        **kwargs: Arguments of :class:`~avmm.models.data_preprocessors.AVDataPreprocessor`.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Return ``{'inputs': {modality: (B, T, D)}, 'data_samples': [...]}`` on the device."""
        plan = data.get('plan')
        if plan is not None:
            data = {**data, 'inputs': {name: self._finish(name, rows, plan) for name, rows in data['inputs'].items()}}
        return super().forward(data, training)

    def _finish(self, name: str, rows: Tensor, plan: dict) -> Tensor:
        length, device = plan['seq_len'][name], self.device
        rows = rows.to(device, non_blocking=self._non_blocking)
        counts = torch.as_tensor(plan['counts'][name])
        shifts, places = torch.as_tensor(plan['shifts']), torch.as_tensor(plan['places'])
        shares = torch.as_tensor(plan['weights'])
        firsts = counts.cumsum(0) - counts
        # Row t of a rolled clip is row t - shift of the clip.
        times = (torch.arange(length) - shifts[:, None]) % length
        batch = len(shifts)
        own_share = torch.ones(batch).index_copy_(0, places, shares)
        own = _Rows(rows, firsts[:batch], counts[:batch], times, own_share, plan['feat_norm'])
        other = _Rows(rows, firsts[batch:], counts[batch:], times[places], 1 - shares, plan['feat_norm'])
        out = rows.new_empty((batch, length, rows.shape[1]), dtype=torch.float32)
        step = _CPU_CLIPS if device.type == 'cpu' else batch
        # The mixtures of a part of the batch lie together, since places ascend.
        bounds = torch.searchsorted(places, torch.arange(0, batch + step, step)).tolist()
        places = places.to(device)
        for part, first in enumerate(range(0, batch, step)):
            chunk = own.take(first, min(first + step, batch), out)
            low, high = bounds[part], bounds[part + 1]
            if low < high:
                chunk.index_add_(0, places[low:high] - first, other.take(low, high))
        return out


class _Rows:
    """Weighted and normalised rows of clips, from the rows of all."""

    def __init__(self, rows: Tensor, firsts: Tensor, counts: Tensor, times: Tensor, shares: Tensor, norm: bool):
        self.rows, self.norm = rows, norm
        # Where a clip has ended a valid row is read, and multiplied by zero.
        there = times < counts[:, None]
        numbers = firsts[:, None] + torch.minimum(times, (counts - 1)[:, None])
        self.numbers = numbers.to(rows.device, non_blocking=True)
        self.factors = (shares[:, None] * there).float().to(rows.device, non_blocking=True)

    def take(self, first: int, last: int, out: Tensor | None = None) -> Tensor:
        """``(last - first, T, D)``, a part of ``out`` if that is given."""
        numbers = self.numbers[first:last]
        taken = self.rows.index_select(0, numbers.flatten()).view(*numbers.shape, -1)
        value = out[first:last].copy_(taken) if out is not None else taken.float()
        factors = self.factors[first:last]
        if self.norm:
            factors = factors / torch.linalg.vector_norm(value, dim=-1).clamp_min(1e-12)
        return value.mul_(factors[..., None])
