"""Rows that count, without those that pad a batch."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Below this share of rows that count, leaving the others out pays for moving rows about.
_WORTH = 0.9


class Packing:
    """Moves between padded clips ``(B, N, D)`` and the rows that count ``(R, D)``, clip after clip.

    Args:
        valid: ``(B, N)`` bool, True for the rows that count.
    """

    def __init__(self, valid: Tensor):
        self.shape = valid.shape
        self.rows = valid.flatten().nonzero().squeeze(1)

    @classmethod
    def worth(cls, valid: Tensor | None) -> Packing | None:
        """A packing, if leaving rows out saves time: on a CPU, and if there are enough of them."""
        if valid is None or valid.device.type != 'cpu' or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return None
        packing = cls(valid)
        return packing if len(packing.rows) < _WORTH * valid.numel() else None

    def pack(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(R, D)``."""
        return _Pack.apply(x.flatten(0, 1), self.rows)

    def unpack(self, x: Tensor) -> Tensor:
        """``(R, D)`` to ``(B, N, D)``, zeros in the rows that do not count."""
        return _Unpack.apply(x, self.rows, self.shape.numel()).unflatten(0, self.shape)


class _Pack(torch.autograd.Function):
    """``x[rows]`` of different rows, whose gradient needs no sum."""

    @staticmethod
    def forward(ctx, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.size = len(x)
        return x.index_select(0, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        rows, = ctx.saved_tensors
        return grad.new_zeros(ctx.size, grad.shape[1]).index_copy_(0, rows, grad), None


class _Unpack(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, rows: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(rows)
        return x.new_zeros(size, x.shape[1]).index_copy_(0, rows, x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        rows, = ctx.saved_tensors
        return grad.index_select(0, rows), None, None
