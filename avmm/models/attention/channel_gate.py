"""A gate of channels that the sound of a segment opens."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from avmm.models.attention.functional import linear_relu_mean


class ChannelGate(nn.Module):
    r"""How much each visual channel matters while a given sound is heard.

    The channel attention that CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM
    2020) and DMIN ("Dense Modality Interaction Network for Audio-Visual Event Localization", IEEE TMM 2022) share. For
    the cells :math:`v_i` and the sound :math:`a` of a segment:

    .. math:: m = \mathrm{mean}_i [\mathrm{ReLU}(U_a a) \odot \mathrm{ReLU}(U_v v_i)]
    .. math:: c = \sigma(W_2 \mathrm{ReLU}(W_1 m))

    As the sound is the same in every cell, its factor is taken out of the mean.

    Args:
        visual_channels: Channels D of a cell.
        audio_channels: Width of the sound.
        squeezed_channels: Width between :math:`W_1` and :math:`W_2`.
    """

    def __init__(self, visual_channels: int = 512, audio_channels: int = 128, squeezed_channels: int = 256):
        super().__init__()
        self.visual = nn.Linear(visual_channels, visual_channels)
        self.audio = nn.Linear(audio_channels, visual_channels)
        self.squeeze = nn.Linear(visual_channels, squeezed_channels)
        self.excite = nn.Linear(squeezed_channels, visual_channels)

    def forward(self, cells: Tensor, audio: Tensor) -> Tensor:
        """Gates in (0, 1).

        Args:
            cells: ``(N, L, D)``, the cells of N segments.
            audio: ``(N, D_a)``.

        Returns:
            ``(N, D)``.
        """
        mean = F.relu(self.audio(audio)) * linear_relu_mean(cells, self.visual.weight, self.visual.bias)
        return self.excite(F.relu(self.squeeze(mean))).sigmoid()
