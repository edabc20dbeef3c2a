"""A bidirectional LSTM layer over sequences that share a part of their input, with a gradient written out by hand."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class SharedInputLSTM(torch.autograd.Function):
    """One bidirectional layer of an LSTM, run over ``B * S`` sequences of ``T`` steps; gates i, f, g, o.

    The input product of a step is ``x W^T + shared``, where ``shared`` is the same for the ``S`` sequences of a group.
    Both directions take one product. Gradients of the weights are one product over all steps at the end, where
    torch's own layer takes one a step.

    Args of ``apply``:
        x: ``(T, B, S, I)``.
        shared: ``(T, B, 8 H)`` or broadcast to it: the shared input product with the biases, forward gates first.
        weight_ih: ``(8 H, I)``, forward gates first.
        weight_hh: ``(2, 4 H, H)``.
        recompute: Keep neither gates nor cells; the backward pass gets them from the outputs, without recurrent
            products.

    Returns:
        ``(T, B, S, 2 H)``, forward direction first.
    """

    @staticmethod
    def forward(ctx, x: Tensor, shared: Tensor, weight_ih: Tensor, weight_hh: Tensor, recompute: bool) -> Tensor:
        steps, batch, cells, _ = x.shape
        hidden = weight_hh.shape[-1]
        gates = _input_products(x, shared, weight_ih)
        out = x.new_empty(steps, batch * cells, 2 * hidden)
        memory = x.new_empty(steps, batch * cells, 2 * hidden)
        for direction in range(2):
            now = slice(direction * hidden, (direction + 1) * hidden)
            weight = weight_hh[direction].t()
            last = None
            for t in _order(steps, direction):
                gate = gates[t, :, 4 * direction * hidden:4 * (direction + 1) * hidden]
                if last is not None:
                    gate.addmm_(out[last, :, now], weight)
                _activate(gate, hidden)
                _cell(gate, None if last is None else memory[last, :, now], memory[t, :, now])
                torch.mul(gate[:, 3 * hidden:], memory[t, :, now].tanh(), out=out[t, :, now])
                last = t
        kept = (None, None) if recompute else (gates, memory)
        ctx.save_for_backward(x, shared, weight_ih, weight_hh, out, *kept)
        return out.view(steps, batch, cells, 2 * hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, shared, weight_ih, weight_hh, out, gates, memory = ctx.saved_tensors
        steps, batch, cells, _ = x.shape
        hidden = weight_hh.shape[-1]
        grad = grad.reshape(steps, batch * cells, 2 * hidden)
        if gates is None:
            gates, memory = _again(x, shared, weight_ih, weight_hh, out)
            grad_gates = gates
        else:
            grad_gates = torch.empty_like(gates)
        grad_hh = torch.zeros_like(weight_hh)
        for direction in range(2):
            now = slice(direction * hidden, (direction + 1) * hidden)
            wide = slice(4 * direction * hidden, 4 * (direction + 1) * hidden)
            order = _order(steps, direction)
            grad_out, grad_memory = None, None
            for t, before in zip(reversed(order), [*reversed(order[:-1]), None], strict=True):
                grad_t = grad[t, :, now] if grad_out is None else grad_out.add_(grad[t, :, now])
                previous = None if before is None else memory[before, :, now]
                grad_memory = _cell_grad(gates[t, :, wide], memory[t, :, now], previous, grad_t, grad_memory,
                                         grad_gates[t, :, wide])
                if before is not None:
                    grad_out = grad_gates[t, :, wide] @ weight_hh[direction]
            if steps > 1:
                later, earlier = (slice(1, None), slice(None, -1)) if direction == 0 else (slice(None, -1),
                                                                                          slice(1, None))
                torch.mm(grad_gates[later, :, wide].flatten(0, 1).t(), out[earlier, :, now].flatten(0, 1),
                         out=grad_hh[direction])
        rows = grad_gates.flatten(0, 1)
        grad_x = (rows @ weight_ih).view_as(x) if ctx.needs_input_grad[0] else None
        grad_ih = rows.t() @ x.flatten(0, 2)
        grad_shared = grad_gates.view(steps, batch, cells, -1).sum(2).sum_to_size(shared.shape)
        return grad_x, grad_shared, grad_ih, grad_hh, None


def _order(steps: int, direction: int) -> list[int]:
    return list(range(steps)) if direction == 0 else list(range(steps))[::-1]


def _input_products(x: Tensor, shared: Tensor, weight_ih: Tensor) -> Tensor:
    steps, batch, cells, width = x.shape
    gates = (x.reshape(-1, width) @ weight_ih.t()).view(steps, batch, cells, -1)
    return gates.add_(shared.unsqueeze(-2)).view(steps, batch * cells, -1)


def _activate(gate: Tensor, hidden: int) -> None:
    """Gates i, f, g, o of one direction in place, from ``(..., 4 H)`` sums."""
    gate[..., :2 * hidden].sigmoid_()
    gate[..., 2 * hidden:3 * hidden].tanh_()
    gate[..., 3 * hidden:].sigmoid_()


def _cell(gate: Tensor, previous: Tensor | None, out: Tensor) -> None:
    """``f * previous + i * g`` into ``out``."""
    i, f, g, _ = gate.chunk(4, dim=-1)
    torch.mul(i, g, out=out)
    if previous is not None:
        out.addcmul_(f, previous)


def _cell_grad(gate: Tensor, memory: Tensor, previous: Tensor | None, grad: Tensor, grad_memory: Tensor | None,
               out: Tensor) -> Tensor | None:
    """Write the gradient of the sums under the gates into ``out``, which may be ``gate``.

    Returns:
        The gradient of the previous memory; None at the first step.
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


def _again(x: Tensor, shared: Tensor, weight_ih: Tensor, weight_hh: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Gates and memory of a forward pass whose outputs are known: one recurrent product for all steps."""
    gates = _input_products(x, shared, weight_ih)
    steps, hidden = len(gates), weight_hh.shape[-1]
    memory = torch.empty_like(out)
    for direction in range(2):
        now = slice(direction * hidden, (direction + 1) * hidden)
        wide = slice(4 * direction * hidden, 4 * (direction + 1) * hidden)
        order, weight = _order(steps, direction), weight_hh[direction].t()
        for k, t in enumerate(order):
            gate = gates[t, :, wide]
            if k:
                gate.addmm_(out[order[k - 1], :, now], weight)
            _activate(gate, hidden)
            _cell(gate, memory[order[k - 1], :, now] if k else None, memory[t, :, now])
    return gates, memory
