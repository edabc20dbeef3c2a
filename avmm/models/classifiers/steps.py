"""Features of several time steps, as spiking encoders give them."""
from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from avmm.models.base import Feats


def over_steps(function: Callable[[Feats], Tensor | Feats], feats: Feats) -> Tensor | Feats:
    """Apply a function of features to each time step, and average what it gives over the steps.

    Args:
        function: Takes ``{m: (N, D_m)}``, gives a tensor ``(N, ...)`` or a dictionary of them.
        feats: ``{m: (B, D_m)}``, which the function gets as they are, or ``{m: (B, S, D_m)}`` with S steps; a modality
            without steps is the same in each.

    Returns:
        What the function gives, ``(B, ...)``.
    """
    flat, steps = fold_steps(feats)
    out = function(flat)
    if steps is None:
        return out
    if isinstance(out, Tensor):
        return _mean(out, steps)
    return {m: _mean(x, steps) for m, x in out.items()}


def fold_steps(feats: Feats) -> tuple[Feats, int | None]:
    """Steps folded into the batch, ``{m: (B * S, D_m)}``, and their number S; None if no modality has steps.

    Raises:
        ValueError: If two modalities differ in their number of steps.
    """
    counts = {f.shape[1] for f in feats.values() if f.dim() == 3}
    if not counts:
        return feats, None
    if len(counts) > 1:
        raise ValueError(f'the features have {sorted(counts)} steps; give all encoders the same number, or let them '
                         'average over their steps')
    steps = counts.pop()
    return {m: (f if f.dim() == 3 else f.unsqueeze(1).expand(-1, steps, -1)).flatten(0, 1)
            for m, f in feats.items()}, steps


def _mean(x: Tensor, steps: int) -> Tensor:
    return x.unflatten(0, (-1, steps)).mean(dim=1)
