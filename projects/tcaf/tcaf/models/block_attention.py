"""Attention across two modalities, block by block: what may not be attended to is never computed."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from avmm.models.attention.functional import leave_to_torch

# From this many tokens on, two blocks of half the size beat one product with a mask.
_LONG = 64


def worth_blocks(qkv: Tensor) -> bool:
    """Whether :func:`block_attention` is the faster way for ``(B, N, 3 H d_h)``: on a CPU, for long sequences."""
    return qkv.device.type == 'cpu' and qkv.shape[1] >= _LONG and not leave_to_torch(qkv)


def block_attention(qkv: Tensor, num_heads: int, first: int, valid: Tensor | None = None) -> Tensor:
    """Attention of a sequence of ``first`` tokens of one modality, the class token, and the tokens of the other.

    Tokens of a modality attend to the class token and the other modality, the class token to all.

    Args:
        qkv: Queries, keys and values of all heads, ``(B, N, 3 H d_h)``.
        num_heads: Number of heads H.
        first: Tokens before the class token.
        valid: ``(B, N)``, False for tokens that nobody may attend to; None if there are none.

    Returns:
        ``(B, N, H d_h)``.
    """
    if torch.is_grad_enabled() and qkv.requires_grad:
        return _BlockAttention.apply(qkv, num_heads, first, valid)
    gathered = [_attend(*block) for block in _blocks(qkv, num_heads, first, valid)]
    return torch.cat(gathered, 2).transpose(1, 2).flatten(2)


def _ranges(first: int, length: int) -> list[tuple[slice, slice]]:
    """Queries and keys of each block, in the order of the queries."""
    return [(slice(0, first), slice(first, length)), (slice(first, first + 1), slice(0, length)),
            (slice(first + 1, length), slice(0, first + 1))]


def _blocks(qkv: Tensor, num_heads: int, first: int, valid: Tensor | None):
    q, k, v = (x.transpose(1, 2) for x in qkv.unflatten(-1, (3, num_heads, -1)).unbind(2))
    for queries, keys in _ranges(first, qkv.shape[1]):
        yield (q[:, :, queries], k[:, :, keys], v[:, :, keys],
               None if valid is None else valid[:, None, None, keys].expand(-1, -1, queries.stop - queries.start, -1))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, mask)


class _BlockAttention(torch.autograd.Function):
    """Differentiates block by block, so that the gradients go to their places in one tensor."""

    @staticmethod
    def forward(ctx, qkv: Tensor, num_heads: int, first: int, valid: Tensor | None) -> Tensor:
        ctx.leaves, ctx.outputs, ctx.first = [], [], first
        with torch.enable_grad():
            for q, k, v, mask in _blocks(qkv.detach(), num_heads, first, valid):
                leaves = [x.detach().requires_grad_() for x in (q, k, v)]
                ctx.leaves.append(leaves)
                ctx.outputs.append(_attend(*leaves, mask))
        return torch.cat([out.detach() for out in ctx.outputs], 2).transpose(1, 2).flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        size, length, width = grad.shape
        heads = ctx.outputs[0].shape[1]
        grad = grad.unflatten(-1, (heads, -1)).transpose(1, 2)
        grads = grad.new_empty(size, length, 3, heads, width // heads)
        of_q, of_k, of_v = (x.transpose(1, 2) for x in grads.unbind(2))
        for i, (queries, keys) in enumerate(_ranges(ctx.first, length)):
            # Kept, as a method of several backward passes comes here more than once.
            parts = torch.autograd.grad(ctx.outputs[i], ctx.leaves[i], grad[:, :, queries], retain_graph=True)
            of_q[:, :, queries] = parts[0]
            for whole, part in ((of_k, parts[1]), (of_v, parts[2])):
                if i == 0:
                    # The first block's keys, all but the first tokens; those are written below.
                    whole[:, :, keys] = part
                elif i == 1:
                    whole[:, :, :ctx.first] = part[:, :, :ctx.first]
                    whole[:, :, ctx.first:] += part[:, :, ctx.first:]
                else:
                    whole[:, :, keys] += part
        return grads.flatten(2), None, None, None
