"""A bidirectional LSTM layer over sequences that share a part of their input, with a gradient written out by hand."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Sequences of a block where gates are recomputed: few enough to save memory, enough for a matrix product.
BLOCK = 1024


class SharedInputLSTM(torch.autograd.Function):
    """One bidirectional layer of an LSTM, run over ``B * S`` sequences of ``T`` steps; gates i, f, g, o.

    The input product of a step is ``x W^T + shared``, where ``shared`` is the same for the ``S`` sequences of a group.
    Both directions take one product. Gradients of the weights are one product over all steps at the end, where
    torch's own layer takes one a step.

    Args of ``apply``:
        x: ``(T, B, S, I)``.
        shared: ``(T, B, 8 H)``: the shared input product with the biases, forward gates first.
        weight_ih: ``(8 H, I)``, forward gates first.
        weight_hh: ``(2, 4 H, H)``.
        recompute: Keep neither gates nor cells. The backward pass gets them from the outputs, block by block.

    Returns:
        ``(T, B, S, 2 H)``, forward direction first.
    """

    @staticmethod
    def forward(ctx, x: Tensor, shared: Tensor, weight_ih: Tensor, weight_hh: Tensor, recompute: bool) -> Tensor:
        if not recompute:
            out, gates, memory = _run(x, shared, weight_ih, weight_hh)
            ctx.save_for_backward(x, shared, weight_ih, weight_hh, out, gates, memory)
            return out
        out = x.new_empty(*x.shape[:3], 2 * weight_hh.shape[-1])
        for part in _blocks(x):
            out[:, part] = _run(x[:, part], shared[:, part], weight_ih, weight_hh)[0]
        ctx.save_for_backward(x, shared, weight_ih, weight_hh, out, None, None)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, shared, weight_ih, weight_hh, out, gates, memory = ctx.saved_tensors
        grad_x, grad_shared = torch.empty_like(x), torch.empty_like(shared)
        grad_ih, grad_hh = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        for part in [slice(None)] if gates is not None else _blocks(x):
            if gates is None:
                _, now, cells = _run(x[:, part], shared[:, part], weight_ih, weight_hh, out[:, part])
                grad_gates = now
            else:
                now, cells, grad_gates = gates, memory, torch.empty_like(gates)
            _backward(now, cells, weight_hh, grad[:, part], grad_gates)
            _add_recurrent(grad_hh, grad_gates, out[:, part])
            rows = grad_gates.flatten(0, 1)
            grad_x[:, part] = (rows @ weight_ih).view(x[:, part].shape)
            grad_ih.addmm_(rows.t(), x[:, part].reshape(len(rows), -1))
            grad_shared[:, part] = grad_gates.view(*x[:, part].shape[:3], -1).sum(2)
        return grad_x, grad_shared, grad_ih, grad_hh, None


def _blocks(x: Tensor) -> list[slice]:
    """Groups in blocks of about :data:`BLOCK` sequences."""
    step = max(1, BLOCK // x.shape[2])
    return [slice(start, start + step) for start in range(0, x.shape[1], step)]


def _run(x: Tensor, shared: Tensor, weight_ih: Tensor, weight_hh: Tensor,
         known: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``(T, B, S, 2 H)``, gates ``(T, B * S, 8 H)`` and cells ``(T, B * S, 2 H)``; outputs may be known."""
    steps, groups, width, _ = x.shape
    hidden = weight_hh.shape[-1]
    gates = (x.reshape(-1, x.shape[-1]) @ weight_ih.t()).view(steps, groups, width, -1)
    gates = gates.add_(shared.unsqueeze(-2)).view(steps, groups * width, -1)
    memory = x.new_empty(steps, groups * width, 2 * hidden)
    out = torch.empty_like(memory) if known is None else known.reshape(memory.shape)
    for direction in range(2):
        now, wide = _columns(direction, hidden)
        weight, last = weight_hh[direction].t(), None
        for t in _order(steps, direction):
            gate = gates[t, :, wide]
            if last is not None:
                gate.addmm_(out[last, :, now], weight)
            gate[:, :2 * hidden].sigmoid_()
            gate[:, 2 * hidden:3 * hidden].tanh_()
            gate[:, 3 * hidden:].sigmoid_()
            i, f, g, o = gate.chunk(4, dim=-1)
            cell = torch.mul(i, g, out=memory[t, :, now])
            if last is not None:
                cell.addcmul_(f, memory[last, :, now])
            if known is None:
                torch.mul(o, cell.tanh(), out=out[t, :, now])
            last = t
    return out.view(steps, groups, width, -1), gates, memory


def _backward(gates: Tensor, memory: Tensor, weight_hh: Tensor, grad: Tensor, grad_gates: Tensor) -> None:
    """Write the gradient of the sums under the gates into ``grad_gates``, which may be ``gates``."""
    steps, hidden = len(gates), weight_hh.shape[-1]
    grad = grad.reshape(memory.shape)
    for direction in range(2):
        now, wide = _columns(direction, hidden)
        order = _order(steps, direction)[::-1]
        grad_out, grad_memory = None, None
        for t, before in zip(order, [*order[1:], None], strict=True):
            grad_t = grad[t, :, now] if grad_out is None else grad_out.add_(grad[t, :, now])
            previous = None if before is None else memory[before, :, now]
            grad_memory = _cell_grad(gates[t, :, wide], memory[t, :, now], previous, grad_t, grad_memory,
                                     grad_gates[t, :, wide])
            if before is not None:
                grad_out = grad_gates[t, :, wide] @ weight_hh[direction]


def _cell_grad(gate: Tensor, memory: Tensor, previous: Tensor | None, grad: Tensor, grad_memory: Tensor | None,
               out: Tensor) -> Tensor | None:
    """Write the gradient of the sums under the gates of one step into ``out``, which may be ``gate``.

    Returns:
        The gradient of the previous cells; None at the first step.
    """
    i, f, g, o = gate.chunk(4, dim=-1)
    grad_i, grad_f, grad_g, grad_o = out.chunk(4, dim=-1)
    bent = memory.tanh()
    inner = o * grad
    inner.addcmul_(inner, bent.square(), value=-1)
    if grad_memory is not None:
        inner.add_(grad_memory)
    torch.mul(bent.mul_(grad), o * (1 - o), out=grad_o)
    carried = None
    if previous is None:
        grad_f.zero_()
    else:
        carried = inner * f
        torch.mul(carried * previous, 1 - f, out=grad_f)
    slope_g, slope_i = inner * i, inner * g
    slope_i.mul_(i).addcmul_(slope_i, i, value=-1)
    torch.addcmul(slope_g, slope_g, g.square(), value=-1, out=grad_g)
    grad_i.copy_(slope_i)
    return carried


def _add_recurrent(grad_hh: Tensor, grad_gates: Tensor, out: Tensor) -> None:
    """Add the gradient of ``weight_hh``: gates of a step meet the outputs of the step before it, each in its order."""
    steps, hidden = len(grad_gates), grad_hh.shape[-1]
    if steps == 1:
        return
    out = out.reshape(steps, -1, 2 * hidden)
    for direction in range(2):
        now, wide = _columns(direction, hidden)
        later, earlier = (slice(1, None), slice(None, -1))[::1 if direction == 0 else -1]
        grad_hh[direction].addmm_(grad_gates[later, :, wide].flatten(0, 1).t(), out[earlier, :, now].flatten(0, 1))


def _columns(direction: int, hidden: int) -> tuple[slice, slice]:
    """Columns of a direction among outputs and cells, and among gates."""
    return (slice(direction * hidden, (direction + 1) * hidden),
            slice(4 * direction * hidden, 4 * (direction + 1) * hidden))


def _order(steps: int, direction: int) -> list[int]:
    return list(range(steps))[::1 if direction == 0 else -1]
