"""Multi-head attention on torch's fused kernel."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.attention.maps import MapSource
from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class MultiheadAttention(MapSource, nn.Module):
    r"""Attention of several heads (`Attention is all you need <https://arxiv.org/abs/1706.03762>`_), batch first.

    .. math:: head = softmax(q k^T / \sqrt{d}) v

    Parameters, names and initial values are those of ``torch.nn.MultiheadAttention``: the projections of queries, keys
    and values are packed into ``in_proj_weight`` ``(3D, D)`` in this order. Its map is the weight of each memory
    position, ``(B, S, M)``, the mean over the heads without dropout.

    A variant of attention overrides :meth:`project_keys`.

    Args:
        channels: Width D.
        num_heads: Number of heads; D is divided among them.
        dropout: Probability of dropping an attention weight in training.

    Raises:
        ConfigError: If D cannot be divided by the number of heads.
    """

    def __init__(self, channels: int = 256, num_heads: int = 4, dropout: float = 0.1):
        super().__init__()
        if channels % num_heads:
            raise ConfigError(f'{type(self).__name__}: channels={channels} cannot be divided among '
                              f'num_heads={num_heads}')
        self.num_heads, self.dropout = num_heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, memory: Tensor, num_cross: int | None = None) -> Tensor:
        """Let each query position gather from the memory.

        Args:
            query: ``(B, S, D)``.
            memory: Keys and values ``(B, M, D)``; ``query`` itself for self-attention.
            num_cross: How many positions at the beginning of the memory are of another modality than the query, for
                variants that tell them apart; None if that is not known.

        Returns:
            ``(B, S, D)``.
        """
        q, k, v = (self._split_heads(x) for x in self._project(query, memory))
        k = self.project_keys(k, num_cross)
        if self.asked:
            weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
            self.keep_map('', weights.mean(1))
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def project_keys(self, keys: Tensor, num_cross: int | None) -> Tensor:
        """Keys ``(B, H, M, D / H)`` as the queries meet them; unchanged here."""
        return keys

    def _project(self, query: Tensor, memory: Tensor) -> tuple[Tensor, ...]:
        weight, bias, channels = self.in_proj_weight, self.in_proj_bias, query.shape[-1]
        if memory is query:
            return F.linear(query, weight, bias).chunk(3, -1)
        q = F.linear(query, weight[:channels], bias[:channels])
        return q, *F.linear(memory, weight[channels:], bias[channels:]).chunk(2, -1)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def extra_repr(self) -> str:
        return f'{self.out_proj.in_features}, num_heads={self.num_heads}, dropout={self.dropout}'
