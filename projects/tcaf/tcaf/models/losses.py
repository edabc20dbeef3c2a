"""Distances that the losses of zero-shot models are made of."""
from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0,
            reduction: str = 'mean') -> Tensor:
    """How much nearer than ``margin`` the negative is than the positive: max(0, |a - p| - |a - n| + margin).

    Norms are taken after 1e-6 is added to each difference.

    Args:
        anchor: ``(B, D)``.
        positive: ``(B, D)``, to be near the anchor.
        negative: ``(B, D)``, to be far from it.
        margin: The distance wanted between the two distances.
        reduction: ``'mean'`` for ``()``, or ``'none'`` for ``(B,)``.
    """
    return F.triplet_margin_loss(anchor, positive, negative, margin=margin, reduction=reduction)


def symmetric_triplets(clips: dict[str, Tensor], words: Tensor, other_clips: dict[str, Tensor], other_words: Tensor
                       ) -> Tensor:
    """Triplets of words against clips and of clips against words, summed over the modalities.

    Of AVGZSLNet (WACV 2021), used by AVCA (CVPR 2022) too. All tensors are ``(B, D)``; ``other_clips`` and
    ``other_words`` are of other classes.
    """
    return sum(triplet(words, clip, other_clips[m]) + triplet(clip, words, other_words) for m, clip in clips.items())
