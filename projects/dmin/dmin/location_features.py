"""The widest step of AGTA: both features of every location, with a gradient written out by hand.

Of each location, AGTA takes a bilinear feature (``5 * 256`` products with the sound, pooled in groups of five) and a
plain one. Composed of torch's operations, this keeps seven arrays of the width of the products for the backward pass
and walks through memory a dozen times. Here the rows are worked off in blocks that stay in the cache of a processor,
one array is kept, or none (``recompute``), and groups whose sum is zero get the gradient zero.
"""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from avmm.models.attention.functional import drop_

#: Norms below it are taken for it, as in :func:`torch.nn.functional.normalize`.
EPS = 1e-12
#: Numbers of the widest array of a block: about 4 MB, the share of a core in a processor's cache.
BLOCK = 1 << 19


def where_positive(values: Tensor, marks: Tensor, above: float = 0.0) -> Tensor:
    """``values`` where ``marks > above``, else 0: the gradient of a ReLU, much faster than a boolean mask."""
    return torch.ops.aten.threshold_backward(values, marks, above)


def pool_groups(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Roots of sums that are not negative, scaled to unit length.

    Args:
        sums: ``(..., G)``.

    Returns:
        The unit vectors ``(..., G)``, and the norms ``(..., 1)`` that the roots were divided by.
    """
    root = sums.sqrt()
    norm = root.norm(dim=-1, keepdim=True).clamp_min_(EPS)
    return root.div_(norm), norm


def pool_groups_grad(grad: Tensor, unit: Tensor, norm: Tensor) -> Tensor:
    """Gradient of :func:`pool_groups` with respect to the sums; 0 where a sum is 0, whose root has no slope."""
    along = (grad * unit).sum(-1, keepdim=True)
    # A norm that was raised to the least one is a constant.
    along = where_positive(along, norm, EPS)
    # The root itself is unit * norm.
    return where_positive(torch.addcmul(grad, unit, along, value=-1).div_((2 * norm.square()) * unit), unit)


class LocationFeatures(torch.autograd.Function):
    """``(bilinear, plain)`` features of the locations ``x * gain``.

    ``y = relu(W x') * sound``, dropped out, summed in ``factors`` groups, rooted and normalised; ``v = relu(V x')``.

    Args of ``apply``:
        x: ``(B * T, S, C)`` locations of the segments.
        gain: ``(B * T, C)``, the factor of every channel of a segment.
        sound: ``(B * T, factors, G)`` factors of the products, not negative, already divided by ``1 - p``.
        weight: ``(factors * G + D, C)``, rows of ``W`` ordered like ``sound``, then those of ``V``.
        bias: ``(factors * G + D,)``.
        steps: Segments T of a video.
        p: Probability that a product is dropped.
        recompute: Compute the products again in the backward pass and keep no array of their width.

    Returns:
        ``(B * T, S, G)``, and time first for what follows ``(T, B, S, D)``.
    """

    @staticmethod
    def forward(ctx, x: Tensor, gain: Tensor, sound: Tensor, weight: Tensor, bias: Tensor, steps: int,
                p: float, recompute: bool) -> tuple[Tensor, Tensor]:
        segments, cells, _ = x.shape
        ctx.products, ctx.p, ctx.steps, groups = sound[0].numel(), p, steps, sound.shape[-1]
        # The mask of a block is drawn again in the backward pass from the same seed.
        ctx.seed = int(torch.randint(1 << 62, ())) if p else 0
        generator = _generator(ctx, x)
        bilinear = x.new_empty(segments, cells, groups)
        plain = x.new_empty(steps, segments // steps, cells, len(weight) - ctx.products)
        norms = x.new_empty(segments, cells, 1)
        keep = any(ctx.needs_input_grad) and not recompute
        kept = x.new_empty(segments, cells, ctx.products) if keep else None
        for part, scratch_cells, lin in _blocks(x, len(weight)):
            torch.mul(x[part], gain[part].unsqueeze(1), out=scratch_cells)
            _activate(scratch_cells, weight, bias, lin)
            left = lin[..., :ctx.products]
            if p:
                drop_(left, p, generator)
            if keep:
                kept[part] = left
            bilinear[part], norms[part] = pool_groups(_sum_products(left, sound[part]))
            plain[_time_first(part, steps)] = lin[..., ctx.products:]
        ctx.save_for_backward(x, gain, sound, weight, bias, bilinear, plain, norms, kept)
        return bilinear, plain

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_bilinear: Tensor, grad_plain: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, sound, weight, bias, bilinear, plain, norms, kept = ctx.saved_tensors
        generator = _generator(ctx, x)
        grad_x, grad_gain, grad_sound = (torch.empty_like(t) for t in (x, gain, sound))
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        products = slice(0, ctx.products)
        for part, cells, lin in _blocks(x, len(weight)):
            torch.mul(x[part], gain[part].unsqueeze(1), out=cells)
            left = lin[..., products]
            if kept is not None:
                left = kept[part]
            else:
                _activate(cells, weight[products], bias[products], left)
                if ctx.p:
                    drop_(left, ctx.p, generator)
            sums = pool_groups_grad(grad_bilinear[part], bilinear[part], norms[part])
            grad_sound[part] = _products_grad(left, sound[part], sums, lin)
            where = _time_first(part, ctx.steps)
            lin[..., ctx.products:] = where_positive(grad_plain[where], plain[where])
            rows = lin.flatten(0, 1)
            grad_weight.addmm_(rows.t(), cells.flatten(0, 1))
            grad_bias.add_(rows.sum(0))
            grad_cells = (rows @ weight).view_as(cells)
            torch.mul(grad_cells, gain[part].unsqueeze(1), out=grad_x[part])
            torch.sum(grad_cells.mul_(x[part]), 1, out=grad_gain[part])
        return grad_x, grad_gain, grad_sound, grad_weight, grad_bias, None, None, None


def _blocks(x: Tensor, width: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Segments in blocks, small ones on a processor, whose caches they fit; and room for what is computed of a block.

    Yields:
        The segments, and memory ``(m, S, C)`` and ``(m, S, width)``, which the next block uses again.
    """
    segments, cells, channels = x.shape
    step = min(segments, max(1, (BLOCK if x.device.type == 'cpu' else BLOCK << 6) // (cells * width)))
    narrow, wide = x.new_empty(step, cells, channels), x.new_empty(step, cells, width)
    for start in range(0, segments, step):
        part = slice(start, min(start + step, segments))
        count = part.stop - start
        yield part, narrow[:count], wide[:count]


def _time_first(part: slice, steps: int) -> tuple[Tensor, Tensor]:
    """Where segments ``part`` of ``(B * T, ...)`` stand in ``(T, B, ...)``."""
    segment = torch.arange(part.start, part.stop)
    return segment % steps, segment // steps


def _generator(ctx, x: Tensor) -> torch.Generator | None:
    return torch.Generator(x.device).manual_seed(ctx.seed) if ctx.p else None


def _activate(cells: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    """Write ``relu(W x + b)`` into ``out``."""
    torch.addmm(bias, cells.flatten(0, 1), weight.t(), out=out.flatten(0, 1))
    out.relu_()


def _sum_products(left: Tensor, sound: Tensor) -> Tensor:
    """``(m, S, factors * G)`` and ``(m, factors, G)`` to the sums ``(m, S, G)`` over the factors."""
    factors = left.unflatten(-1, sound.shape[1:])
    total = factors[:, :, 0] * sound[:, None, 0]
    for k in range(1, sound.shape[1]):
        total.addcmul_(factors[:, :, k], sound[:, None, k])
    return total


def _products_grad(left: Tensor, sound: Tensor, sums: Tensor, out: Tensor) -> Tensor:
    """Write the gradient of the linear layer into ``out`` (which may hold ``left``); return that of the sound."""
    factors = left.unflatten(-1, sound.shape[1:])
    grads = out[..., :left.shape[-1]].unflatten(-1, sound.shape[1:])
    grad_sound = torch.empty_like(sound)
    for k in range(sound.shape[1]):
        value = factors[:, :, k]
        grad_sound[:, k] = (value * sums).sum(1)
        torch.mul(where_positive(sums, value), sound[:, None, k], out=grads[:, :, k])
    return grad_sound
