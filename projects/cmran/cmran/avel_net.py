"""The audio-guided networks of AVE."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.attention import MapSource
from avmm.models.base import Feats
from avmm.models.localizers import EventLocalizer
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.cmran.cmran.avel_fusion import ConcatSegments, DualResidualFusion


class AudioGuidedAttention(MapSource, nn.Module):
    r"""Looks in each segment where its sound comes from (ECCV 2018, section 4.2).

    With the cells :math:`V_i` of the N of a segment and its sound a,

    .. math::
        z_i = w^T \tanh(W_v \mathrm{ReLU}(U_v V_i) + (W_g \mathrm{ReLU}(U_a a))_i \mathbf 1), \qquad
        \alpha = softmax(z), \qquad \hat v = \sum_i \alpha_i V_i

    The sound gives one number a cell, added to all N attention units of that cell: the layers are as wide as the
    grid has cells, and the attention cannot move to another grid.

    Args:
        audio_channels: Width of the sound of a segment.
        visual_channels: Width of a cell.
        channels: Width of both projections.
        num_cells: N.
    """

    def __init__(self, audio_channels: int = 128, visual_channels: int = 512, channels: int = 512,
                 num_cells: int = 49):
        super().__init__()
        self.num_cells = num_cells
        self.audio = nn.Linear(audio_channels, channels)
        self.visual = nn.Linear(visual_channels, channels)
        self.cells = nn.Linear(channels, num_cells, bias=False)
        self.guide = nn.Linear(channels, num_cells, bias=False)
        self.score = nn.Linear(num_cells, 1, bias=False)

    def init_xavier(self) -> None:
        """Xavier uniform weights in every layer."""
        for layer in (self.audio, self.visual, self.cells, self.guide, self.score):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, audio: Tensor, visual: Tensor) -> Tensor:
        """Attended visual segments ``(B, S, D_v)``.

        Args:
            audio: ``(B, S, D_a)``.
            visual: ``(B, S, h, w, D_v)``, with h * w cells.

        Raises:
            ConfigError: If the grid has another number of cells.
        """
        if visual.dim() != 5 or visual.shape[2] * visual.shape[3] != self.num_cells:
            grid = 'x'.join(map(str, visual.shape[2:-1])) or 'no'
            raise ConfigError(f'the attention is built for num_cells={self.num_cells} cells a segment, the visual '
                              f'features have a grid of {grid} cells; set num_cells to theirs and train anew')
        grid = visual.shape[2:4]
        cells = visual.flatten(2, 3)
        guide = self.guide(self.audio(audio).relu())
        units = (self.cells(self.visual(cells).relu()) + guide.unsqueeze(-1)).tanh()
        weights = self.score(units).squeeze(-1).softmax(-1)
        self.keep_map('', weights.unflatten(-1, grid))
        return torch.matmul(weights.unsqueeze(-2), cells).squeeze(-2)


class SegmentLSTM(nn.Module):
    """One bidirectional LSTM layer over segments.

    Args:
        in_channels: Width of a segment.
        hidden: Width of each direction.
    """

    def __init__(self, in_channels: int, hidden: int):
        super().__init__()
        self.out_channels = 2 * hidden
        self.lstm = nn.LSTM(in_channels, hidden, batch_first=True, bidirectional=True)

    def forward(self, segments: Tensor) -> Tensor:
        """``(B, S, D)`` to ``(B, S, 2 * hidden)``."""
        return self.lstm(segments)[0]


@MODELS.register_module()
class AVELNet(EventLocalizer):
    """Audio-guided attention, a BiLSTM a modality, a fusion ("Audio-Visual Event Localization in Unconstrained
    Videos", ECCV 2018): the networks A+V-att and DMRN, and, with the weak head, W-A+V-att.

    The BiLSTMs are the branches. The attention belongs to neither modality, since it reads both; the visual branch
    starts behind it.

    Args:
        head: Config of an :class:`AVELHead` (full supervision) or a :class:`WeakAVELHead`; its ``in_channels`` are
            filled in.
        fusion: ``'concat'`` (A+V-att) or ``'dmrn'``.
        num_rounds: Rounds of ``'dmrn'``.
        audio_channels: Width of the audio features.
        visual_channels: Width of the visual features.
        attention_channels: Width of the projections of the attention.
        hidden: Width of each direction of an LSTM.
        num_cells: Cells of the visual grid, h * w; the layers of the attention depend on it.
        **kwargs: ``dtype``, ``with_attention``, ``data_preprocessor`` and ``init_cfg`` of :class:`EventLocalizer`.

    Raises:
        ConfigError: If the fusion is another one.

    Example:
        >>> model = MODELS.build(dict(type='AVELNet', num_cells=4, head=dict(type='AVELHead')))
        >>> model(dict(audio=torch.rand(2, 10, 128), visual=torch.rand(2, 10, 2, 2, 512))).shape
        torch.Size([2, 29])
    """

    def __init__(self, head: dict, fusion: str = 'concat', num_rounds: int = 1, audio_channels: int = 128,
                 visual_channels: int = 512, attention_channels: int = 512, hidden: int = 128, num_cells: int = 49,
                 **kwargs):
        if fusion not in ('concat', 'dmrn'):
            raise ConfigError(f"AVELNet.fusion is {fusion!r}; it must be 'concat' or 'dmrn'")
        join = ConcatSegments(2 * hidden) if fusion == 'concat' else DualResidualFusion(2 * hidden, num_rounds)
        super().__init__(dict(head, in_channels=join.out_channels), **kwargs)
        self.attention = AudioGuidedAttention(audio_channels, visual_channels, attention_channels, num_cells)
        self.branches = nn.ModuleDict({
            'audio': SegmentLSTM(audio_channels, hidden), 'visual': SegmentLSTM(visual_channels, hidden)})
        self.fusion = join
        if fusion == 'concat':
            # The published DMRN leaves these layers as torch makes them.
            self.attention.init_xavier()
        self.widen()

    def branch(self, modality: str) -> nn.Module:
        """The BiLSTM of ``modality``."""
        return self.branches[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """``{m: (B, S, 2 * hidden)}``, what the BiLSTMs make of the sound and of the attended cells."""
        audio = inputs['audio']
        attended = self.attention(audio, inputs['visual'])
        return {'audio': self.branches['audio'](audio), 'visual': self.branches['visual'](attended)}

    def fuse_segments(self, feats: Feats) -> Tensor:
        """Fused segments ``(B, S, D)``."""
        return self.fusion(feats)

    def unimodal_segments(self, feats: Feats) -> dict[str, Tensor]:
        """``{m: (B, S, D)}``, the fused segments while the other modality is silent: its BiLSTM says zero.

        Zero is what an LSTM says before it has heard anything. The visual segments keep the weights that the sound
        gave to the cells.
        """
        silent = {m: torch.zeros_like(feats[m]) for m in self.modalities}
        return {m: self.fusion({**silent, m: feats[m]}) for m in self.modalities}

    def map_sources(self) -> dict[str, MapSource]:
        """``spatial``, the weights of the cells ``(B, S, h, w)``."""
        return {'spatial': self.attention}
