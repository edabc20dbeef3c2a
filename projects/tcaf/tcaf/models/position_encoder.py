"""What a time step is told about its modality, its time and its being padded."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.attention.functional import dropout, leave_to_torch
from avmm.utils import ConfigError

#: Kinds of time embedding.
TIMES = ('sinusoid', 'fixed', 'none')


class PositionEncoder(nn.Module):
    r"""Embedding block of TCAF: appends an embedding to each feature and projects both to the width of the model.

    .. math:: x_t = W_m [f_t; e_m + e(t) + e_{pad}] + b_m

    The time is that of the step, in seconds or as an index, whichever the caller gives. ``'sinusoid'``: a linear layer
    on :math:`[\sin(2\pi (t, t) R), \cos(2\pi (t, t) R)]` with a random matrix R that is drawn once and kept in the
    checkpoint; ``'fixed'``: a learned row for each rounded time; ``'none'``: nothing.

    Args:
        in_channels: ``{modality: width of its features}``, in the order of the rows of the modality embedding.
        channels: Width d of the output.
        embed_channels: Width of the embedding; even.
        time: Kind of time embedding, ``'sinusoid'``, ``'fixed'`` or ``'none'``.
        scale: Standard deviation of R.
        num_times: Number of rows of ``'fixed'``: times from 0 to ``num_times - 1``.
        modality: Whether the embedding tells the modalities apart.
        dropout: Probability of dropping an element of the output in training.

    Raises:
        ConfigError: If a width or the kind of time cannot be.

    Example:
        >>> encode = PositionEncoder(dict(audio=300, visual=300))
        >>> encode('audio', torch.rand(2, 9, 300)).shape
        torch.Size([2, 9, 300])
    """

    def __init__(self, in_channels: dict[str, int], channels: int = 300, embed_channels: int = 64,
                 time: str = 'sinusoid', scale: float = 10.0, num_times: int = 120, modality: bool = True,
                 dropout: float = 0.2):
        super().__init__()
        if time not in TIMES:
            raise ConfigError(f'PositionEncoder: time={time!r} is unknown; use one of {", ".join(TIMES)}')
        if embed_channels < 2 or embed_channels % 2:
            raise ConfigError(f'PositionEncoder: embed_channels={embed_channels} must be even and positive: half '
                              'of it are sines, half cosines')
        if time == 'fixed' and num_times < 1:
            raise ConfigError(f"PositionEncoder: num_times={num_times} must be positive with time='fixed'")
        self.time, self.dropout, self.embed_channels = time, dropout, embed_channels
        self.rows = {name: row for row, name in enumerate(in_channels)}
        self.modality = nn.Embedding(len(in_channels), embed_channels) if modality else None
        if time == 'sinusoid':
            self.register_buffer('frequencies', scale * torch.randn(2, embed_channels // 2))
            self.waves = nn.Linear(embed_channels, embed_channels)
        elif time == 'fixed':
            self.times = nn.Embedding(num_times, embed_channels)
        self.padding = nn.Embedding(1, embed_channels)
        self.project = nn.ModuleDict({
            name: nn.Linear(width + embed_channels, channels) for name, width in in_channels.items()})

    def forward(self, modality: str, features: Tensor, mask: Tensor | None = None, times: Tensor | None = None
                ) -> Tensor:
        """Encode the steps of one modality.

        Args:
            modality: Its name.
            features: ``(B, T, D)``.
            mask: ``(B, T)``, 0 where a step is padded; None if none is.
            times: ``(B, T)``, the time of each step, or ``(T,)`` for all clips; None for 0, 1, 2, ...

        Returns:
            ``(B, T, channels)``.
        """
        if times is None:
            times = torch.arange(features.shape[1], device=features.device)
        elif times.dim() == 2 and times.device.type == 'cpu' and bool((times == times[:1]).all()):
            # Clips usually share their times, whose embedding is then computed once.
            times = times[0]
        project, width = self.project[modality], features.shape[-1]
        embedding = self.embed_times(times.to(features.dtype))
        if self.modality is not None:
            embedding = embedding + self.modality.weight[self.rows[modality]]
        # The projection of [f; e] is that of f and that of e; the latter is the same for all clips, or for few rows.
        out, told = F.linear(features, project.weight[:, :width]), project.weight[:, width:]
        embedding = F.linear(embedding, told, project.bias)
        if mask is not None:
            padded, absent = F.linear(self.padding.weight, told), (1 - mask.to(out.dtype)).unsqueeze(-1)
            if mask.device.type == 'cpu' and not leave_to_torch(out) and not absent.any():
                # The gradient of the padding's embedding is 0, which an optimiser with weight decay tells from none.
                embedding = embedding + 0 * padded
            else:
                embedding = torch.addcmul(embedding, absent, padded)
        out = out + embedding
        return dropout(out, self.dropout) if self.training else out

    def embed_times(self, times: Tensor) -> Tensor:
        """``(..., T)`` to ``(..., T, embed_channels)``.

        Raises:
            ConfigError: If a time is beyond the rows of ``'fixed'``.
        """
        if self.time == 'sinusoid':
            angles = 2 * math.pi * times.unsqueeze(-1).expand(*times.shape, 2) @ self.frequencies
            return self.waves(torch.cat([angles.sin(), angles.cos()], -1))
        if self.time == 'none':
            return times.new_zeros(*times.shape, self.embed_channels)
        rows, known = times.round().long(), self.times.num_embeddings
        if times.device.type == 'cpu' and rows.numel() and not 0 <= rows.min() <= rows.max() < known:
            raise ConfigError(f'PositionEncoder: a step at time {times.max():g} lies beyond '
                              f'num_times={known}; raise it, or shorten the clips')
        return self.times(rows)
