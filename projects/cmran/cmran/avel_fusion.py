"""How the audio-guided networks of AVE join two sequences of segments."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.base import Feats


class ConcatSegments(nn.Module):
    """Both modalities side by side, cut at zero: ``ReLU([audio, visual])``.

    Args:
        channels: Width D of the segments of one modality.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = 2 * channels

    def forward(self, feats: Feats) -> Tensor:
        """``{m: (B, S, D)}`` to ``(B, S, 2D)``, audio first."""
        return torch.cat([feats['audio'], feats['visual']], -1).relu()


class DualResidualFusion(nn.Module):
    r"""Dual multimodal residual network ("Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018).

    Each of R rounds, which share their weights, adds what both modalities agree on. The published program crosses
    the residuals: the new visual stream grows from the audio stream, and the other way round.

    .. math::
        m = \tfrac12 (U_v(h_v) + U_a(h_a)), \qquad h_v \leftarrow \tanh(h_a + m), \quad h_a \leftarrow \tanh(h_v + m)

    The fused segments are the mean of the two streams.

    Args:
        channels: Width D of the segments of one modality.
        rounds: R; the published network has one.
    """

    def __init__(self, channels: int, rounds: int = 1):
        super().__init__()
        self.rounds, self.out_channels = rounds, channels
        self.update = nn.ModuleDict({
            m: nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, channels))
            for m in ('audio', 'visual')})

    def forward(self, feats: Feats) -> Tensor:
        """``{m: (B, S, D)}`` to ``(B, S, D)``."""
        audio, visual = feats['audio'], feats['visual']
        for _ in range(self.rounds):
            shared = 0.5 * (self.update['visual'](visual) + self.update['audio'](audio))
            visual, audio = torch.tanh(audio + shared), torch.tanh(visual + shared)
        return 0.5 * (visual + audio)
