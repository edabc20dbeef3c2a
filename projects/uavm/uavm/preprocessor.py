"""Normalising, mixing and rolling a batch of features on the device."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avmm.models.data_preprocessors import AVDataPreprocessor
from avmm.registry import MODELS
from avmm.utils.batch_buffers import BatchBuffers

# Clips that are done together on a CPU: what they need fits into its second cache.
_CPU_CLIPS = 8


@MODELS.register_module()
class UAVMDataPreprocessor(AVDataPreprocessor):
    """Brings the batches of ``UAVMFeatureDataset(mode='batch')`` into their final form; others pass as they are.

    Every clip becomes ``(T, D)`` float32: cut or padded with zeros, each row divided by its length, mixed with its
    partner, and rolled; the values are those of single clips up to rounding.

    Args:
        **kwargs: Arguments of :class:`~avmm.models.data_preprocessors.AVDataPreprocessor`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Fresh memory for each batch would cost more than the sums: every page of it is cleared first.
        self._memory = BatchBuffers(limit=4)
        self._scratch: dict[tuple, Tensor] = {}

    def forward(self, data: dict, training: bool = False) -> dict:
        """Return ``{'inputs': {modality: (B, T, D)}, 'data_samples': [...]}`` on the device."""
        plan = data.get('plan')
        if plan is not None:
            data = {**data, 'inputs': {name: self._finish(name, rows, plan) for name, rows in data['inputs'].items()}}
        return super().forward(data, training)

    @torch.no_grad()
    def _finish(self, name: str, rows: Tensor, plan: dict) -> Tensor:
        length, width, on_cpu = plan['seq_len'][name], rows.shape[1], self.device.type == 'cpu'
        rows = rows.to(self.device, non_blocking=self._non_blocking)
        numbers, factors = (torch.from_numpy(v).to(self.device) for v in row_weights(plan, name, length))
        places, batch = np.asarray(plan['places']), len(plan['shifts'])
        norm = plan['feat_norm'] and name not in plan.get('norms', {})
        if on_cpu:
            out = self._memory.empty(name, (batch, length, width), 'float32')
        else:
            out = torch.empty((batch, length, width), dtype=torch.float32, device=self.device)
        step = _CPU_CLIPS if on_cpu else batch
        # The mixtures of a part of the batch lie together, since places ascend.
        bounds = np.searchsorted(places, np.arange(0, batch + step, step)) + batch
        at = torch.from_numpy(places).to(self.device)
        for part, first in enumerate(range(0, batch, step)):
            last, low, high = min(first + step, batch), int(bounds[part]), int(bounds[part + 1])
            chunk = out[first:last]
            self._weighted(rows, numbers[first:last], factors[first:last], norm, chunk)
            if low < high:
                other = self._space('other', (high - low, length, width), torch.float32)
                self._weighted(rows, numbers[low:high], factors[low:high], norm, other)
                chunk.index_add_(0, at[low - batch:high - batch] - first, other)
        return out

    def _weighted(self, rows: Tensor, numbers: Tensor, factors: Tensor, norm: bool, out: Tensor) -> None:
        """Fill ``out`` ``(b, T, D)`` with ``rows[numbers]`` times ``factors`` ``(b, T)``."""
        taken = self._space('taken', (numbers.numel(), rows.shape[1]), rows.dtype)
        torch.index_select(rows, 0, numbers.flatten(), out=taken)
        out.copy_(taken.view_as(out))
        if norm:
            factors = factors / torch.linalg.vector_norm(out, dim=-1).clamp_min(1e-12)
        torch.mul(out, factors[..., None].expand_as(out), out=out)

    def _space(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory that the next call of the same name takes again, on a CPU."""
        if self.device.type != 'cpu':
            return torch.empty(shape, dtype=dtype, device=self.device)
        size, key = int(np.prod(shape)), (name, dtype)
        if key not in self._scratch or self._scratch[key].numel() < size:
            self._scratch[key] = torch.empty(size, dtype=dtype)
        return self._scratch[key][:size].view(shape)


def row_weights(plan: dict, name: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Which stored row each row of B clips and of their M partners is, and what it is multiplied by.

    Args:
        plan: What the data set says of the batch; see ``UAVMFeatureDataset.__getitems__``.
        name: The modality.
        length: Rows T of a finished clip.

    Returns:
        Numbers ``(B + M, T)``, int64, and factors ``(B + M, T)``, float32: shares, 0 where a clip has ended, over
        the lengths of the rows where those are known.
    """
    counts, places, weights = (np.asarray(v) for v in (plan['counts'][name], plan['places'], plan['weights']))
    shifts = np.asarray(plan['shifts'])
    firsts = np.cumsum(counts) - counts
    shares = np.ones(len(counts), np.float32)
    shares[places], shares[len(shifts):] = weights, 1 - weights
    # Row t of a rolled clip is row t - shift of the clip; where it has ended any row is read, and counts nothing.
    times = (np.arange(length) - np.concatenate([shifts, shifts[places]])[:, None]) % length
    numbers = firsts[:, None] + np.minimum(times, counts[:, None] - 1)
    factors = shares[:, None] * (times < counts[:, None])
    norms = plan.get('norms', {}).get(name)
    if plan['feat_norm'] and norms is not None:
        factors = factors / np.maximum(norms[numbers], np.float32(1e-12))
    return numbers, factors.astype(np.float32, copy=False)
