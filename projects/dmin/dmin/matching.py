"""Cross-modality matching: the query's segments weigh every place where its event may lie in the other modality."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.registry import MODELS


@MODELS.register_module()
class AccumulatingMatching(nn.Module):
    r"""Multiply the target by the query's means at all windows at once.

    With l marked segments in the query, their means over channels :math:`m_0, ..., m_{l-1}` in order, and S segments
    in all:

    .. math:: \hat y_p = y_p \prod_{i=0}^{l-1} m_i \; [0 \le p - i \le S - l]

    A segment that several windows hold is multiplied once for each of them, as the published program does by writing
    in place. Without a marked segment the target stays as it is.
    """

    def forward(self, query: Tensor, target: Tensor, marks: Tensor) -> Tensor:
        """Weigh the target.

        Args:
            query: ``(B, S, D)``, of the modality in which the event is known.
            target: ``(B, S, D)``.
            marks: ``(B, S)``, bool, True at the segments of the event in the query.

        Returns:
            ``(B, S, D)``.
        """
        means, window = window_means(query, marks)
        return target * product(torch.where(window, means.unsqueeze(1), 1)).unsqueeze(-1)


@MODELS.register_module()
class WindowMeanMatching(nn.Module):
    r"""Weigh each segment of the target by the mean of the query's means at the windows that hold it.

    .. math:: \hat y_p = y_p \, \operatorname{mean}_{i < l,\; 0 \le p - i \le S - l} m_i

    Not the published method: a variant of :class:`AccumulatingMatching` in which nothing accumulates, so that segments
    in the middle, which most windows hold, keep the scale of those at the ends.
    """

    def forward(self, query: Tensor, target: Tensor, marks: Tensor) -> Tensor:
        """Weigh the target; see :meth:`AccumulatingMatching.forward`."""
        means, window = window_means(query, marks)
        count = window.sum(2)
        factor = torch.where(window, means.unsqueeze(1), 0).sum(2) / count.clamp(min=1)
        return target * torch.where(count > 0, factor, 1).unsqueeze(-1)


def window_means(query: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    """Means of the marked segments, and where they fall when their window slides over the target.

    Args:
        query: ``(B, S, D)``.
        marks: ``(B, S)``, bool.

    Returns:
        The means over channels ``(B, S)`` of the marked segments, in order and then zeros, and a mask ``(B, P, I)``:
        True if a window exists that puts the I-th marked segment at place P of the target.
    """
    # The I-th row picks the I-th marked segment; a sort would do, but ONNX has no stable one.
    rank = torch.where(marks, marks.cumsum(1) - 1, -1)
    picks = rank.unsqueeze(1) == torch.arange(marks.shape[1], device=marks.device).unsqueeze(1)
    means = (picks.to(query.dtype) @ query.mean(-1, keepdim=True)).squeeze(-1)
    length = marks.sum(1).view(-1, 1, 1)
    places = torch.arange(marks.shape[1], device=marks.device)
    start = places.unsqueeze(1) - places
    return means, (places < length) & (start >= 0) & (start <= marks.shape[1] - length)


def product(factors: Tensor) -> Tensor:
    """Product over the last dimension, whose gradient is right at zeros without asking the device for them."""
    while factors.shape[-1] > 1:
        if factors.shape[-1] % 2:
            factors = nn.functional.pad(factors, (0, 1), value=1.0)
        factors = factors[..., ::2] * factors[..., 1::2]
    return factors.squeeze(-1)
