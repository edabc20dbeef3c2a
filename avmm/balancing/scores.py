"""How much of the truth a set of logits says: the numbers that balancing methods compare."""
from __future__ import annotations

import torch
from torch import Tensor


def label_score(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over the batch of the softmax probability of the label: ``s = sum_i softmax(z_i)[y_i]``.

    The discrepancy ratio of "Balanced Multimodal Learning via On-the-fly Gradient Modulation" (CVPR 2022) is a
    quotient of two such sums. Sums of micro-batches and of ranks add up to the sum of the whole batch.

    Args:
        logits: ``(B, C)``, or ``(B, S, C)`` for segments. Half precision is widened to float32.
        labels: Class indices ``(B,)`` or ``(B, S)``, or target scores of the shape of ``logits``: mixup gives the
            expected score, several true classes the probability of all of them.

    Returns:
        Tensor ``()``, on the device of the logits.
    """
    probabilities = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    if labels.ndim == logits.ndim:
        return (probabilities * labels).sum()
    return probabilities.gather(-1, labels.unsqueeze(-1)).sum()
