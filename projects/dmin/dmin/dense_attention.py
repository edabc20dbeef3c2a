"""Dense inter-modality attention (DIMA)."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.models.attention import MultiheadAttention
from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class DenseInterModalityAttention(MultiheadAttention):
    r"""Attention in which every channel of a query meets every channel of the keys of the other modality.

    DIMA of "Dense Modality Interaction Network for Audio-Visual Event Localization" (IEEE TMM 2022). The score of a
    query q and a key k of the other modality is the mean over all cyclic shifts of the d channels of a head, the
    unshifted one weighing :math:`\lambda` and the others :math:`(1 - \lambda) / (d - 1)`:

    .. math:: dense(q, k) = \frac{1}{d} \Big[ \lambda \, q^T k
        + \frac{1 - \lambda}{d - 1} \sum_{r=1}^{d-1} \sum_c q_{(c + r) \bmod d} \, k_c \Big]

    All shifts together give :math:`(\sum_c q_c)(\sum_c k_c)`, so that dense scores are usual ones of other keys, and
    the fused kernel of torch computes the rest:

    .. math:: dense(q, k) = q^T \Big( a \, k + b \sum_c k_c \mathbf{1} \Big), \qquad
        b = \frac{1 - \lambda}{d (d - 1)}, \quad a = \frac{\lambda}{d} - b

    Keys of the query's own modality are scored as usual, and one softmax goes over both. Parameters are those of
    :class:`MultiheadAttention`; its map is the weight of each memory position ``(B, S, M)``.

    Args:
        channels: Width D.
        num_heads: Number of heads.
        dropout: Probability of dropping an attention weight in training.
        lam: Weight lambda of the unshifted product, from 0 to 1.
        split: Which keys are dense: ``'half'``, the first half of the memory, rounded up, as published; ``'cross'``,
            those that are of another modality. They are the same for modalities of equal length.

    Raises:
        ConfigError: If lambda or the split is another one, or a head has a single channel.
    """

    def __init__(self, channels: int = 256, num_heads: int = 4, dropout: float = 0.1, lam: float = 0.5,
                 split: str = 'half'):
        super().__init__(channels, num_heads, dropout)
        if not 0 <= lam <= 1:
            raise ConfigError(f'DenseInterModalityAttention.lam is {lam}; it must be from 0 to 1')
        if split not in ('half', 'cross'):
            raise ConfigError(f"DenseInterModalityAttention.split is {split!r}; it must be 'half' or 'cross'")
        if channels == num_heads:
            raise ConfigError('DenseInterModalityAttention: a head needs at least two channels to turn; '
                              f'channels={channels} gives {num_heads} heads one each')
        self.lam, self.split = lam, split

    def project_keys(self, keys: Tensor, num_cross: int | None) -> Tensor:
        """Keys ``(B, H, M, d)`` whose usual scores are the dense ones, as far as they are dense.

        Raises:
            ConfigError: If ``split='cross'`` and the caller does not say how many keys are of another modality.
        """
        if self.split == 'half':
            num_cross = -(-keys.shape[2] // 2)
        elif num_cross is None:
            raise ConfigError("DenseInterModalityAttention: split='cross' needs the number of keys of the other "
                              'modality, num_cross')
        width = keys.shape[-1]
        spread = (1 - self.lam) / (width * (width - 1))
        # a k + b sum(k) for dense keys and k for the others, in one pass over memory.
        factor, term = keys.new_ones(keys.shape[2], 1), keys.sum(-1, keepdim=True)
        factor[:num_cross] = self.lam / width - spread
        weight = keys.new_zeros(keys.shape[2], 1)
        weight[:num_cross] = spread
        return torch.addcmul(term * weight, keys, factor)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, lam={self.lam}, split={self.split!r}'
