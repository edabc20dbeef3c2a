"""Perceiver: a few latent vectors read the steps of both modalities."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.attention.functional import dropout
from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.sequence_model import SequenceModel
from projects.tcaf.tcaf.models.token_transformer import TransformerLayer


@MODELS.register_module()
class TemporalPerceiver(SequenceModel):
    """Latent vectors read the tokens of both modalities and think about them, in turn; their mean is the clip.

    No reference code: the row "Perceiver" of the TCAF paper (ECCV 2022), which adapts "Perceiver: General Perception
    with Iterative Attention" (ICML 2021), was published without its program. This is a design of AVMM on the encoders,
    heads and losses of TCAF. A round is a cross-attention from the latents to the tokens of both modalities, one after
    the other in a sequence, with a feed-forward half, then ``depth`` layers of self-attention among the latents. The
    cost grows with the number of steps, not with its square.

    Args:
        in_channels: Width of the features of each modality.
        num_latents: Number of latent vectors.
        rounds: How often the latents read.
        depth: Layers of self-attention in each round.
        num_heads: Number of heads, of both kinds of attention.
        head_channels: Width of a head.
        hidden_channels: Width between the linear layers of a feed-forward half.
        dropout: Probability of dropout in training.
        share_rounds: Whether all rounds but the first have the same weights.
        channels: Width d of a token and of a latent vector.
        **options: Further arguments of :class:`SequenceModel`.

    Raises:
        ConfigError: If a number cannot be.

    Example:
        >>> model = MODELS.build(dict(type='TemporalPerceiver', in_channels=dict(audio=128, visual=4096),
        ...                           encoder=dict(hidden_channels=512)))
        >>> model(dict(audio=torch.rand(2, 7, 128), visual=torch.rand(2, 11, 4096))).shape
        torch.Size([2, 64])
    """

    def __init__(self, in_channels: dict[str, int], num_latents: int = 16, rounds: int = 2, depth: int = 2,
                 num_heads: int = 8, head_channels: int = 64, hidden_channels: int = 128, dropout: float = 0.3,
                 share_rounds: bool = True, channels: int = 300, **options):
        super().__init__(in_channels, channels, **options)
        for name, value in (('num_latents', num_latents), ('rounds', rounds), ('num_heads', num_heads)):
            if value < 1:
                raise ConfigError(f'TemporalPerceiver: {name}={value} must be 1 or more')
        sizes = (channels, num_heads, head_channels, hidden_channels, dropout)
        self.rounds = rounds
        self.latents = nn.Parameter(0.02 * torch.randn(num_latents, channels))
        different = min(rounds, 2) if share_rounds else rounds
        self.read = nn.ModuleList(ReadingLayer(*sizes) for _ in range(different))
        self.think = nn.ModuleList(
            nn.Sequential(*(TransformerLayer(*sizes, shared_norm=False) for _ in range(depth)))
            for _ in range(different))

    def gather(self, tokens: Feats, masks: dict[str, Tensor | None]) -> Tensor:
        """The mean of the latents after all rounds, ``(B, d)``."""
        memory, valid = torch.cat(list(tokens.values()), 1), None
        if any(mask is not None for mask in masks.values()):
            valid = torch.cat([torch.ones_like(x[..., 0], dtype=torch.bool) if masks[m] is None else masks[m] > 0
                               for m, x in tokens.items()], 1)
        x = self.latents.expand(len(memory), -1, -1)
        for i in range(self.rounds):
            place = min(i, len(self.read) - 1)
            x = self.think[place](self.read[place](x, memory, valid))
        return x.mean(1)


class ReadingLayer(nn.Module):
    """Cross-attention of latents to a memory, and a feed-forward half; both normalise their input first."""

    def __init__(self, channels: int, num_heads: int, head_channels: int, hidden_channels: int, dropout: float):
        super().__init__()
        inner = num_heads * head_channels
        self.num_heads, self.dropout = num_heads, dropout
        self.norm, self.norm_memory, self.norm2 = (nn.LayerNorm(channels) for _ in range(3))
        self.q = nn.Linear(channels, inner, bias=False)
        self.kv = nn.Linear(channels, 2 * inner, bias=False)
        self.out = nn.Linear(inner, channels)
        self.linear1 = nn.Linear(channels, hidden_channels)
        self.linear2 = nn.Linear(hidden_channels, channels)

    def forward(self, x: Tensor, memory: Tensor, valid: Tensor | None) -> Tensor:
        """Latents ``(B, L, d)`` read a memory ``(B, N, d)``; ``valid`` ``(B, N)`` is False where it is padded."""
        q = self.q(self.norm(x)).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k, v = self.kv(self.norm_memory(memory)).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None
        if valid is not None:
            # A clip without a single step is read evenly, rather than as no number.
            mask = (valid | ~valid.any(1, keepdim=True))[:, None, None]
        read = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
        p = self.dropout if self.training else 0.0
        x = x + dropout(self.out(read), p)
        return x + dropout(self.linear2(dropout(F.gelu(self.linear1(self.norm2(x))), p)), p)
