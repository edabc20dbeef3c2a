"""The transformer over the steps of one clip that all models of UAVM are made of."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.utils import ConfigError


class SelfAttention(nn.Module):
    r"""Attention of several heads, :math:`softmax(q k^T / \sqrt{D / H}) v`, on torch's fused kernel.

    Args:
        channels: Width D.
        num_heads: Number of heads H; D is divided among them.

    Raises:
        ConfigError: If D cannot be divided by the number of heads.
    """

    def __init__(self, channels: int, num_heads: int):
        super().__init__()
        if channels % num_heads:
            raise ConfigError(f'a width of {channels} channels cannot be divided among num_heads={num_heads}')
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        q, k, v = (self._split_heads(part) for part in self.qkv(x).chunk(3, -1))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor) -> Tensor:
        """Attention weights ``(B, H, T, T)`` of a sequence, those of a query in the last dimension."""
        q, k = (self._split_heads(part) for part in F.linear(x, self.qkv.weight[:-x.shape[-1]]).chunk(2, -1))
        return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two layers with a GELU between them.

    Args:
        channels: Width D of input and output.
        hidden: Width in between.
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D)`` to ``(..., D)``."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then a feed-forward of four times the width, each on normalised input and added to it.

    Args:
        channels: Width D.
        num_heads: Number of heads.
    """

    def __init__(self, channels: int, num_heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = SelfAttention(channels, num_heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = FeedForward(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def map_of(self, x: Tensor, pre_norm: bool = False) -> Tensor:
        """Attention weights ``(B, H, T, T)`` for the input ``x``; see :meth:`TemporalTransformer.maps`."""
        return self.attn.weights(self.norm1(x) if pre_norm else x)


class TemporalTransformer(nn.Module):
    """Transformer over a fixed number of steps, with learned positions (`UAVM <https://arxiv.org/abs/2208.00061>`_).

    The input is normalised, brought to the width D by a linear layer only if it has another width, and gets its
    positions. The classifier reads the mean over the steps.

    Published checkpoints hold a projection and a classifier in every trunk, also where they are never used. So does
    this one, for their sake; :attr:`unused` names them.

    Args:
        in_channels: Width of the input.
        channels: Width D.
        num_heads: Number of heads.
        depth: Number of blocks.
        num_steps: Number of steps T.
        num_classes: Number of classes C.
        classifies: Whether the classifier is used.
    """

    def __init__(self, in_channels: int, channels: int, num_heads: int, depth: int, num_steps: int, num_classes: int,
                 classifies: bool = False):
        super().__init__()
        self.projects = in_channels != channels
        self.classifies = classifies
        self.pos_embed = nn.Parameter(torch.zeros(1, num_steps, channels))
        self.blocks = nn.ModuleList(Block(channels, num_heads) for _ in range(depth))
        self.in_layernorm = nn.LayerNorm(in_channels, eps=1e-6)
        self.in_proj = nn.Linear(in_channels, channels)
        self.mlp_head = classifier(channels, num_classes)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    @property
    def unused(self) -> list[nn.Module]:
        """Layers that no output depends on."""
        return ([] if self.projects else [self.in_proj]) + ([] if self.classifies else [self.mlp_head])

    def embed(self, x: Tensor, first_step: int = 0) -> Tensor:
        """Normalise, project and add positions: ``(B, T', in_channels)`` to ``(B, T', D)``.

        Args:
            x: The sequence.
            first_step: Position of its first step, for a part of the T steps.
        """
        x = self.in_layernorm(x)
        if self.projects:
            x = self.in_proj(x)
        return x + self.pos_embed[:, first_step:first_step + x.shape[1]]

    def forward(self, x: Tensor, first_step: int = 0) -> Tensor:
        """Features of the steps ``(B, T, D)`` of a sequence ``(B, T, in_channels)``."""
        x = self.embed(x, first_step)
        for block in self.blocks:
            x = block(x)
        return x

    def states(self, x: Tensor, first_step: int = 0) -> list[Tensor]:
        """What :meth:`forward` passes through: the embedded input, then the output of each block, ``(B, T, D)``."""
        states = [self.embed(x, first_step)]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states

    def classify(self, x: Tensor) -> Tensor:
        """Logits ``(B, C)`` of features of the steps ``(B, T, D)``."""
        return self.mlp_head(x.mean(1))

    def maps(self, states: list[Tensor], pre_norm: bool = False) -> list[Tensor]:
        """Attention weights ``(B, H, T, T)`` of each block.

        Args:
            states: What :meth:`states` gives.
            pre_norm: Whether the input of a block is normalised before, as it is when the block attends. The published
                analysis leaves the normalisation out, and so draws weights that are close to those in use, not the
                same.
        """
        return [block.map_of(x, pre_norm) for block, x in zip(self.blocks, states, strict=False)]


def classifier(channels: int, num_classes: int) -> nn.Sequential:
    """Layer norm and a linear layer, ``(B, D)`` to ``(B, C)``."""
    return nn.Sequential(nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, num_classes))


def projection(in_channels: int, channels: int) -> nn.Sequential:
    """Layer norm and a linear layer for each step, ``(B, T, in_channels)`` to ``(B, T, D)``."""
    return nn.Sequential(nn.LayerNorm(in_channels, eps=1e-6), nn.Linear(in_channels, channels))
