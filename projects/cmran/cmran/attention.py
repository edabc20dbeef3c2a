"""Audio-guided attention over the channels and the cells of visual features."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.attention import ChannelGate, MapSource
from avmm.models.attention.functional import linear_relu
from avmm.registry import MODELS


@MODELS.register_module()
class AGSCA(MapSource, nn.Module):
    r"""Audio-guided spatial-channel attention: one vector from the cells of a segment.

    Of CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM 2020). With the gate c
    of :class:`~avmm.models.attention.ChannelGate`, for the cells :math:`v_i` and the sound :math:`a` of a segment:

    .. math:: v'_i = v_i \odot (1 + c)
    .. math:: s_i = \tanh(w^T [\mathrm{ReLU}(U_v v'_i) \odot \mathrm{ReLU}(U_a a)] + b)
    .. math:: \alpha = \mathrm{softmax}_i(s), \qquad out = \sum_i \alpha_i v'_i

    The factor of the sound is the same in every cell and goes into w, which leaves one product of a matrix and a
    vector a segment. Maps: ``spatial`` ``(B, S, h, w)``, :math:`\alpha`; ``channel`` ``(B, S, D)``, c.

    Args:
        visual_channels: Channels D of a cell.
        audio_channels: Width of the sound.
        hidden_channels: Width in which cells and sound meet, and of the squeezed gate.
    """

    def __init__(self, visual_channels: int = 512, audio_channels: int = 128, hidden_channels: int = 256):
        super().__init__()
        self.gate = ChannelGate(visual_channels, audio_channels, hidden_channels)
        self.visual = nn.Linear(visual_channels, hidden_channels)
        self.audio = nn.Linear(audio_channels, hidden_channels)
        self.score = nn.Linear(hidden_channels, 1)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Cells ``(B, S, h, w, D)`` and audio ``(B, S, D_a)`` to ``(B, S, D)``."""
        cells, sound = visual.flatten(0, 1).flatten(1, 2), audio.flatten(0, 1)
        gate = self.gate(cells, sound)
        cells = cells * (1 + gate).unsqueeze(1)
        hidden = linear_relu(cells, self.visual.weight, self.visual.bias)
        weights = self.score.weight * F.relu(self.audio(sound))
        scores = torch.baddbmm(self.score.bias, hidden, weights.unsqueeze(-1)).squeeze(-1)
        attention = scores.tanh().softmax(-1)
        if self.asked:
            self.keep_map('spatial', attention.view(visual.shape[:-1]))
            self.keep_map('channel', gate.view(*audio.shape[:2], -1))
        return (attention.unsqueeze(1) @ cells).view(*audio.shape[:2], -1)
