"""The transformer of TCAF: tokens of all modalities and a class token, which gathers what is to be known."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.attention import MapSource
from avmm.models.attention.functional import dropout, linear_dropout_add, split_linear
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.padding import Packing

#: Who may attend to whom.
ATTENTIONS = ('cross', 'self', 'both', 'unmasked')


def attention_mask(sizes: Sequence[int], valid: Tensor | None, attention: str, device: torch.device) -> Tensor | None:
    """Which tokens may attend to which: ``(B, N, N)``, or ``(1, N, N)`` without padding; None if all may.

    Args:
        sizes: Numbers of tokens in the order of the sequence: the first modality, the class token (1), the others.
        valid: ``(B, N)``, False for padded tokens; None if there are none.
        attention: ``'cross'``: tokens of a modality see the class token and the other modalities, not their own, not
            even themselves; ``'self'``: they see their own modality, and the class token if they are not padded;
            ``'both'``: all tokens that are not padded; ``'unmasked'``: all tokens. The class token sees every token
            that is not padded.
        device: Where the mask is wanted.
    """
    if attention == 'unmasked' or (attention == 'both' and valid is None):
        return None
    group = torch.repeat_interleave(torch.arange(len(sizes), device=device), torch.tensor(sizes, device=device))
    is_class = group == 1
    same = group[:, None] == group
    with_class = is_class[:, None] | is_class
    pairs = None if valid is None else valid[:, :, None] & valid[:, None, :]
    if attention == 'both':
        return pairs
    allowed = with_class | (same if attention == 'self' else ~same)
    return allowed[None] if pairs is None else pairs & allowed


@dataclass(frozen=True)
class Layout:
    """Which tokens there are and who sees whom, the same in all layers.

    Attributes:
        valid: ``(B, N)``, False for padded tokens; None if there are none.
        mask: ``(B or 1, 1, N, N)``, who may attend to whom; None if all may.
        open_mask: The same, but padded tokens, who see nobody, see all: what they gather has to be a number.
        packing: How the rows that count lie in the clips; None if all rows are kept.
    """
    valid: Tensor | None = None
    mask: Tensor | None = None
    open_mask: Tensor | None = None
    packing: Packing | None = None

    @classmethod
    def of(cls, sizes: Sequence[int], valid: Tensor | None, attention: str, device: torch.device) -> Layout:
        """For arguments of :func:`attention_mask`."""
        packing, mask = Packing.worth(valid), attention_mask(sizes, valid, attention, device)
        if mask is None:
            return cls(valid, packing=packing)
        mask = mask.unsqueeze(1)
        return cls(valid, mask, mask if valid is None else mask | ~mask.any(-1, keepdim=True), packing)


# Every token sees every token.
_ALL = Layout()


class TokenTransformer(nn.Module):
    """Layers of attention and feed-forward over one class token and the steps of every modality.

    Of "Temporal and cross-modal attention for audio-visual zero-shot learning" (ECCV 2022). Each layer has one layer
    normalisation, which comes before both of its halves: ``x + Attn(LN(x))``, then ``x + FF(LN(x))``. Nothing is
    normalised after the last layer, of which only the class token is computed. Padded steps have no say; on a CPU
    they are left out of the linear layers.

    Args:
        channels: Width d of a token.
        depth: Number of layers.
        num_heads: Number of heads.
        head_channels: Width of a head; independent of ``channels``.
        hidden_channels: Width between the linear layers of the feed-forward half.
        dropout: Probability of dropping an element of what a half adds, and of its hidden layer, in training.
        attention: ``'cross'`` (all published recipes), ``'self'`` or ``'both'``; see :func:`attention_mask`.
            ``'unmasked'`` lets even padded steps be attended to, as the published program does with neither kind.

    Raises:
        ConfigError: If a number or the kind of attention cannot be.
    """

    def __init__(self, channels: int = 300, depth: int = 6, num_heads: int = 8, head_channels: int = 64,
                 hidden_channels: int = 128, dropout: float = 0.3, attention: str = 'cross'):
        super().__init__()
        for name, value in (('depth', depth), ('num_heads', num_heads), ('head_channels', head_channels)):
            if value < 1:
                raise ConfigError(f'TokenTransformer: {name}={value} must be 1 or more')
        if attention not in ATTENTIONS:
            raise ConfigError(f'TokenTransformer: attention={attention!r} is unknown; use one of '
                              f'{", ".join(ATTENTIONS)}')
        self.attention = attention
        self.class_token = nn.Parameter(torch.randn(1, 1, channels))
        self.layers = nn.ModuleList(
            TransformerLayer(channels, num_heads, head_channels, hidden_channels, dropout) for _ in range(depth))

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """What the class token gathers.

        Args:
            tokens: ``(B, T_m, d)`` of each modality.
            masks: ``(B, T_m)`` of each modality, 0 where a step is padded; None where none is.

        Returns:
            ``(B, d)``.
        """
        first, *others = tokens
        x = torch.cat([first, self.class_token.expand(len(first), -1, -1), *others], 1)
        valid = None if self.attention == 'unmasked' else _valid(tokens, masks)
        layout = Layout.of([first.shape[1], 1, *(t.shape[1] for t in others)], valid, self.attention, x.device)
        if layout.packing is not None:
            x = layout.packing.pack(x)
        for layer in self.layers[:-1]:
            x = layer(x, layout)
        return self.layers[-1].class_token(x, layout, first.shape[1])


def _valid(tokens: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor | None:
    """``(B, N)``, False for padded tokens; None if there are none, as far as that is known without asking a GPU."""
    if all(mask is None for mask in masks):
        return None
    parts = [torch.ones(t.shape[:2], dtype=torch.bool, device=t.device) if mask is None else mask > 0
             for t, mask in zip(tokens, masks, strict=True)]
    valid = torch.cat([parts[0], parts[0].new_ones(len(parts[0]), 1), *parts[1:]], 1)
    return None if valid.device.type == 'cpu' and bool(valid.all()) else valid


class TransformerLayer(MapSource, nn.Module):
    """One layer of :class:`TokenTransformer`.

    Its map is ``(B, N, H, N)``: token, head, token attended to, in the order of the sequence.

    Args:
        channels: Width of a token.
        num_heads: Number of heads.
        head_channels: Width of a head.
        hidden_channels: Width between the linear layers of the feed-forward half.
        dropout: Probability of dropout in training.
        shared_norm: Whether both halves have the same layer normalisation.
    """

    def __init__(self, channels: int, num_heads: int, head_channels: int, hidden_channels: int, dropout: float,
                 shared_norm: bool = True):
        super().__init__()
        inner = num_heads * head_channels
        self.num_heads, self.dropout = num_heads, dropout
        self.norm = nn.LayerNorm(channels)
        self.norm2 = None if shared_norm else nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.out = nn.Linear(inner, channels)
        self.linear1 = nn.Linear(channels, hidden_channels)
        self.linear2 = nn.Linear(hidden_channels, channels)

    def forward(self, x: Tensor, layout: Layout = _ALL) -> Tensor:
        """``(B, N, d)``, or the rows that count ``(R, d)``, to the same shape."""
        h, packing = self.norm(x), layout.packing
        qkv = split_linear(h, self.qkv.weight, 3)
        if packing is not None:
            qkv = [packing.unpack(part) for part in qkv]
        q, k, v = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in qkv)
        self._keep_weights(q, k, layout)
        gathered = F.scaled_dot_product_attention(q, k, v, layout.open_mask).transpose(1, 2).flatten(2)
        return self._add(x, gathered if packing is None else packing.pack(gathered))

    def class_token(self, x: Tensor, layout: Layout, place: int) -> Tensor:
        """The token at ``place`` alone, ``(B, d)``.

        With a single query, keys and values need not be computed: ``q . (W h) = (W^T q) . h``, and what is gathered is
        projected afterwards.
        """
        h = self.norm(x)
        if layout.packing is not None:
            h, x = layout.packing.unpack(h), layout.packing.unpack(x)
        if self.asked:
            q, k, _ = self.qkv(h).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
            self._keep_weights(q, k, layout)
        # (H, d_h, d) each.
        to_q, to_k, to_v = self.qkv.weight.unflatten(0, (3, self.num_heads, -1)).unbind()
        query = h[:, place] @ to_q.transpose(1, 2) * to_q.shape[1] ** -0.5
        scores = (query @ to_k).transpose(0, 1) @ h.transpose(1, 2)
        if layout.valid is not None:
            scores = scores.masked_fill(~layout.valid[:, None], float('-inf'))
        gathered = (scores.softmax(-1) @ h).transpose(0, 1) @ to_v.transpose(1, 2)
        return self._add(x[:, place], gathered.transpose(0, 1).flatten(1))

    def _add(self, x: Tensor, gathered: Tensor) -> Tensor:
        """The rest of the layer, token by token."""
        p = self.dropout if self.training else 0.0
        x = linear_dropout_add(gathered, x, self.out.weight, self.out.bias, p)
        hidden = dropout(F.gelu(self.linear1((self.norm2 or self.norm)(x))), p)
        return linear_dropout_add(hidden, x, self.linear2.weight, self.linear2.bias, p)

    def _keep_weights(self, q: Tensor, k: Tensor, layout: Layout) -> None:
        if not self.asked:
            return
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        if layout.mask is not None:
            scores = scores.masked_fill(~layout.mask, torch.finfo(scores.dtype).min)
        self.keep_map('', scores.softmax(-1).transpose(1, 2))
