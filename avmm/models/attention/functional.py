"""Linear layers with what usually follows them, in as few passes over memory as autograd allows.

On features of a grid the layers below take nearly all the time of a step, and next to their matrix products it is
temporaries and random numbers that count.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from avmm.utils.batch_buffers import BatchBuffers

# Random bits that decide on an element; probabilities are kept to a multiple of 2^-16.
_LEVELS = 1 << 16
# Masks live until the backward pass: fresh pages for them would cost more than the random numbers.
_MEMORY = BatchBuffers(limit=64, least=1 << 18)


def linear_relu(x: Tensor, weight: Tensor, bias: Tensor, dropout: float = 0.0) -> Tensor:
    """``dropout(relu(x W^T + b))`` of ``(..., D)``, as ``(..., K)``.

    The output alone tells the backward pass what was rectified and what was dropped; neither mask is kept.

    Args:
        x: ``(..., D)``.
        weight: ``(K, D)``.
        bias: ``(K,)``.
        dropout: Probability of dropping an element: 0 outside training. Taken to a multiple of 2^-16 on a CPU.
    """
    if leave_to_torch(x):
        return F.dropout(F.relu(F.linear(x, weight, bias)), dropout)
    return _LinearReLU.apply(x, weight, bias, dropout)


def linear_relu_mean(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``mean_i relu(W x_i + b)`` over the cells i of ``(N, L, D)``, as ``(N, K)``.

    The gradient of the mean is spread over the cells and rectified in one pass.
    """
    if leave_to_torch(x):
        return F.relu(F.linear(x, weight, bias)).mean(1)
    return _LinearReLUMean.apply(x, weight, bias)


def split_linear(x: Tensor, weight: Tensor, parts: int) -> tuple[Tensor, ...]:
    """``x W^T`` in parts of the same width, such as queries, keys and values: ``(..., K / parts)`` each.

    Their gradients meet in the product with the weight, and are never put together in memory.

    Args:
        x: ``(..., D)``.
        weight: ``(K, D)``.
        parts: Number of parts, which divides K.
    """
    if x.device.type != 'cpu' or leave_to_torch(x):
        return F.linear(x, weight).chunk(parts, -1)
    return _SplitLinear.apply(x, weight, parts)


def dropout(x: Tensor, p: float) -> Tensor:
    """Dropout in training: of 16 random bits an element on a CPU, where torch takes four times as long; torch's else.

    Args:
        x: Any shape.
        p: Probability of dropping an element, taken to a multiple of 2^-16 on a CPU.
    """
    if p == 0:
        return x
    if x.device.type != 'cpu' or leave_to_torch(x):
        return F.dropout(x, p)
    return x * _scaled_mask(x, p)


def linear_dropout_add(x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, p: float) -> Tensor:
    """``residual + dropout(x W^T + b)``: how a half of a transformer's layer ends.

    Args:
        x: ``(..., D)``.
        residual: ``(..., K)``.
        weight: ``(K, D)``.
        bias: ``(K,)``.
        p: Probability of dropping an element: 0 outside training. See :func:`dropout`.
    """
    if p == 0 or x.device.type != 'cpu' or leave_to_torch(x):
        return residual + dropout(F.linear(x, weight, bias), p)
    return _LinearDropoutAdd.apply(x, weight, bias, residual, p)


def keep_mask(x: Tensor, p: float) -> Tensor:
    """Booleans like ``x``, False with probability ``p``, from torch's generator of the device of ``x``."""
    if x.device.type != 'cpu':
        return torch.rand(x.shape, device=x.device) >= p
    return _levels(x) >= _dropped_levels(p) - _LEVELS // 2


def drop_(x: Tensor, p: float, generator: torch.Generator | None = None) -> None:
    """Set elements to 0 with probability ``p``, in place and without scaling the others.

    Comparing floats and choosing is one pass; a boolean mask takes two that are slower.

    Args:
        x: Any shape; no gradient passes.
        p: Probability, taken to a multiple of 2^-16 on a CPU.
        generator: Source of the random numbers on the device of ``x``; torch's own by default.
    """
    if x.device.type != 'cpu':
        x.mul_(torch.rand(x.shape, device=x.device, generator=generator) >= p)
        return
    torch.ops.aten.threshold_backward.grad_input(x, _levels(x, generator).to(x.dtype), _threshold(p), grad_input=x)


def kept_share(x: Tensor, p: float) -> float:
    """The probability with which :func:`keep_mask` and :func:`drop_` keep an element."""
    return 1 - _dropped_levels(p) / _LEVELS if x.device.type == 'cpu' else 1 - p


def _scaled_mask(x: Tensor, p: float) -> Tensor:
    """Like ``x``, on a CPU: 0 with probability ``p``, otherwise what keeps the mean."""
    mask = _MEMORY.empty('mask', x.shape, x.dtype).copy_(_levels(x))
    kept = mask.new_tensor(_scale(x, p)).expand_as(mask)
    return torch.ops.aten.threshold_backward.grad_input(kept, mask, _threshold(p), grad_input=mask)


def _levels(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Random int16 numbers like ``x``."""
    words = _MEMORY.empty('words', [-(-x.numel() // 4)], torch.int64)
    words.random_(-2 ** 63, None, generator=generator)
    return words.view(torch.int16)[:x.numel()].view(x.shape)


def _dropped_levels(p: float) -> int:
    return round(p * _LEVELS)


def _threshold(p: float) -> float:
    """Numbers of :func:`_levels` above it are kept."""
    return _dropped_levels(p) - _LEVELS // 2 - 0.5


def _scale(x: Tensor, p: float) -> float:
    kept = kept_share(x, p)
    return 1 / kept if kept else 0.0


def leave_to_torch(x: Tensor) -> bool:
    """Whether autocast chooses the types, or a compiler or a tracer wants to see the plain operations."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_autocast_enabled(x.device.type)


class _LinearReLU(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, p: float) -> Tensor:
        ctx.scale = _scale(x, p) if p else 1.0
        # Scaling before the rectifier is the same and takes no pass over the output.
        out = F.linear(x, weight, bias) if ctx.scale == 1 else F.linear(x, weight * ctx.scale, bias * ctx.scale)
        out.relu_()
        if p:
            drop_(out, p)
        ctx.save_for_backward(x, weight, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight, out = ctx.saved_tensors
        grads = _linear_backward(torch.ops.aten.threshold_backward(grad, out, 0), x, weight, ctx.needs_input_grad)
        if ctx.scale != 1:
            for g in grads:
                if g is not None:
                    g.mul_(ctx.scale)
        return *grads, None


class _LinearDropoutAdd(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor, p: float) -> Tensor:
        rows = x.flatten(0, -2)
        added = torch.addmm(bias, rows, weight.t(), out=_MEMORY.empty('added', (len(rows), len(weight)), x.dtype))
        mask = _scaled_mask(added, p).view_as(residual)
        ctx.save_for_backward(x, weight, mask)
        return torch.addcmul(residual, added.view_as(residual), mask)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight, mask = ctx.saved_tensors
        of_added = torch.mul(grad, mask, out=_MEMORY.empty('added', grad.shape, grad.dtype))
        return *_linear_backward(of_added, x, weight, ctx.needs_input_grad), grad, None


class _SplitLinear(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, parts: int) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, weight)
        rows, shape = x.flatten(0, -2), (*x.shape[:-1], len(weight) // parts)
        return tuple(torch.mm(rows, part.t(), out=_MEMORY.empty('parts', (len(rows), shape[-1]), x.dtype)).view(shape)
                     for part in weight.chunk(parts))

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor):
        x, weight = ctx.saved_tensors
        rows, grads = x.flatten(0, -2), [grad.flatten(0, -2) for grad in grads]
        of_x, of_weight = None, None
        if ctx.needs_input_grad[0]:
            first, *others = zip(grads, weight.chunk(len(grads)), strict=True)
            of_x = torch.mm(*first)
            for grad, part in others:
                of_x.addmm_(grad, part)
            of_x = of_x.view_as(x)
        if ctx.needs_input_grad[1]:
            of_weight = torch.cat([rows.t() @ grad for grad in grads], 1).t()
        return of_x, of_weight, None


class _LinearReLUMean(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out = F.linear(x, weight, bias).relu_()
        ctx.save_for_backward(x, weight, out)
        return out.mean(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight, out = ctx.saved_tensors
        spread = (grad / out.shape[1]).unsqueeze(1).expand_as(out)
        return _linear_backward(torch.ops.aten.threshold_backward(spread, out, 0), x, weight, ctx.needs_input_grad)


def _linear_backward(grad: Tensor, x: Tensor, weight: Tensor, needed) -> tuple[Tensor | None, ...]:
    """Gradients of ``x W^T + b`` for x, W and b; None where it is not needed."""
    rows = grad.reshape(-1, grad.shape[-1])
    return (grad @ weight if needed[0] else None,
            rows.t() @ x.reshape(-1, x.shape[-1]) if needed[1] else None,
            rows.sum(0) if needed[2] else None)
