"""Audio-guided triplet attention (AGTA): over channels, time and locations."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from avmm.models.attention import ChannelGate, MapSource
from avmm.models.attention.functional import kept_share, leave_to_torch
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.dmin.dmin.location_features import LocationFeatures
from projects.dmin.dmin.recurrence import SharedInputLSTM


@MODELS.register_module()
class AGTA(MapSource, nn.Module):
    r"""Audio-guided triplet attention: one vector from the locations of a segment.

    Of "Dense Modality Interaction Network for Audio-Visual Event Localization" (IEEE TMM 2022). With the gate c of
    :class:`~avmm.models.attention.ChannelGate`, for the locations :math:`v_{t,i}` and the sound :math:`a_t` of segment
    t:

    .. math:: v'_{t,i} = v_{t,i} \odot (1 + c_t)
    .. math:: z_{t,i} = \mathrm{unit}\Big(\sqrt{\textstyle\sum_{\mathrm{groups\ of\ 5}}
        \mathrm{ReLU}(U_v v'_{t,i}) \odot \mathrm{ReLU}(U_a a_t)}\Big)
    .. math:: h_{\cdot,i} = \mathrm{BiLSTM}([x_{\cdot,i} + y, \, y]), \qquad
        x_{t,i} = \mathrm{ReLU}(T_v v'_{t,i}), \quad y_t = \mathrm{ReLU}(T_a a_t)
    .. math:: \alpha_t = \mathrm{softmax}_i \tanh(w^T (h_{t,i} + z_{t,i}) + b), \qquad
        out_t = \sum_i \alpha_{t,i} v'_{t,i}

    All locations run through the LSTM at once, and the part of its input that comes from the sound is multiplied once
    a segment: :math:`[x + y, y] W^T = x W_1^T + y (W_1 + W_2)^T`. Groups that are zero get no gradient.

    Any number of segments, any grid. Maps: ``spatial`` ``(B, S, h, w)``, :math:`\alpha`; ``channel`` ``(B, S, D)``, c.

    Args:
        visual_channels: Channels D of a location.
        audio_channels: Width of the sound.
        hidden_channels: Width of the squeezed gate, of both features of a location and of the LSTM's output.
        factors: Products that are summed in a group.
        dropout: Probability of dropping a product in training.
        recompute: Save memory: what is wide is computed again in the backward pass instead of being kept.

    Raises:
        ConfigError: If ``hidden_channels`` is odd; the LSTM has two directions.
    """

    def __init__(self, visual_channels: int = 512, audio_channels: int = 128, hidden_channels: int = 256,
                 factors: int = 5, dropout: float = 0.1, recompute: bool = False):
        super().__init__()
        if hidden_channels % 2:
            raise ConfigError(f'AGTA.hidden_channels is {hidden_channels}; it must be even')
        self.factors, self.dropout, self.recompute = factors, dropout, recompute
        self.gate = ChannelGate(visual_channels, audio_channels, hidden_channels)
        self.visual = nn.Linear(visual_channels, factors * hidden_channels)
        self.audio = nn.Linear(audio_channels, factors * hidden_channels)
        self.score = nn.Linear(hidden_channels, 1)
        self.temporal_visual = nn.Linear(visual_channels, hidden_channels)
        self.temporal_audio = nn.Linear(audio_channels, hidden_channels)
        self.lstm = nn.LSTM(2 * hidden_channels, hidden_channels // 2, num_layers=2, bidirectional=True)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Locations ``(B, S, h, w, D)`` and audio ``(B, S, D_a)`` to ``(B, S, D)``."""
        batch, steps = audio.shape[:2]
        cells, sound = visual.flatten(0, 1).flatten(1, 2), audio.flatten(0, 1)
        gate = self._gate(cells, sound)
        gain = 1 + gate
        bilinear, seen = self.location_features(cells, gain, sound, steps)
        moving = self.run_lstm(seen, F.relu(self.temporal_audio(audio)).transpose(0, 1)).transpose(0, 1)
        # Scoring both features apart saves the memory of their sum.
        scores = F.linear(moving, self.score.weight).flatten(0, 1) + self.score(bilinear)
        attention = scores.tanh().squeeze(-1).softmax(-1)
        if self.asked:
            self.keep_map('spatial', attention.view(visual.shape[:-1]))
            self.keep_map('channel', gate.view(batch, steps, -1))
        return ((attention.unsqueeze(1) @ cells).squeeze(1) * gain).view(batch, steps, -1)

    def location_features(self, cells: Tensor, gain: Tensor, sound: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Bilinear and plain features of the locations.

        Args:
            cells: ``(B * S, L, D)``, the locations of the segments.
            gain: ``(B * S, D)``.
            sound: ``(B * S, D_a)``.
            steps: Segments S of a video.

        Returns:
            z ``(B * S, L, hidden)`` and x ``(S, B, L, hidden)`` of the class.
        """
        rate = self.dropout if self.training else 0.0
        # In double precision, which costs nothing here: where a group is almost zero, the slope of its root multiplies
        # the rounding of a factor that all locations share.
        double = (x.double() for x in (sound, self.audio.weight, self.audio.bias))
        factors = F.relu(F.linear(*double)).to(cells.dtype)
        if leave_to_torch(cells):
            cells = cells * gain.unsqueeze(1)
            shown = F.relu(self.visual(cells))
            pooled = bilinear_pool(shown, factors.unsqueeze(1), self.factors, rate)
            seen = F.relu(self.temporal_visual(cells))
            return pooled, seen.unflatten(0, (-1, steps)).transpose(0, 1)
        # One product with both weights; rows of a group lie apart, so that the group is summed along memory.
        weight = torch.cat([self._apart(self.visual.weight), self.temporal_visual.weight])
        bias = torch.cat([self._apart(self.visual.bias), self.temporal_visual.bias])
        factors = (factors.unflatten(1, (-1, self.factors)) / kept_share(cells, rate)).transpose(1, 2).contiguous()
        return LocationFeatures.apply(cells, gain, factors, weight, bias, steps, rate, self.recompute)

    def run_lstm(self, seen: Tensor, sound: Tensor) -> Tensor:
        """The LSTM over time, for every location.

        Args:
            seen: ``(S, B, L, hidden)``, x of the class.
            sound: ``(S, B, hidden)``, y of the class.

        Returns:
            ``(S, B, L, hidden)``.
        """
        if leave_to_torch(seen) or (seen.is_cuda and not self.recompute):
            shared = sound.unsqueeze(2).expand_as(seen)
            steps = torch.cat([seen + shared, shared], -1)
            return self.lstm(steps.flatten(1, 2))[0].unflatten(1, seen.shape[1:3])
        weight_ih, weight_hh, bias = self._lstm_layer(0)
        first, second = weight_ih.chunk(2, dim=1)
        shared = F.linear(sound, first + second, bias)
        hidden = SharedInputLSTM.apply(seen, shared, first, weight_hh, self.recompute)
        weight_ih, weight_hh, bias = self._lstm_layer(1)
        return SharedInputLSTM.apply(hidden, bias.expand_as(shared), weight_ih, weight_hh, self.recompute)

    def _gate(self, cells: Tensor, sound: Tensor) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.gate, cells, sound, use_reentrant=False, preserve_rng_state=False)
        return self.gate(cells, sound)

    def _apart(self, rows: Tensor) -> Tensor:
        return rows.unflatten(0, (-1, self.factors)).transpose(0, 1).flatten(0, 1)

    def _lstm_layer(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of a layer of the LSTM as :class:`SharedInputLSTM` takes them, and the sum of its biases."""
        def both(name: str) -> list[Tensor]:
            return [getattr(self.lstm, f'{name}_l{layer}{suffix}') for suffix in ('', '_reverse')]

        # Added before they are joined: the other way round, the gradients of both biases would share their memory.
        bias = torch.cat([a + b for a, b in zip(both('bias_ih'), both('bias_hh'), strict=True)])
        return torch.cat(both('weight_ih')), torch.stack(both('weight_hh')), bias


def bilinear_pool(visual: Tensor, audio: Tensor, factors: int = 5, dropout: float = 0.0) -> Tensor:
    r"""Factorised bilinear pooling (MFB, `arXiv:1708.01471 <https://arxiv.org/abs/1708.01471>`_), of AGTA.

    Products are summed in groups of ``factors`` neighbours; the sums s become
    :math:`\mathrm{sign}(s) \sqrt{|s|}` and are scaled to unit length.

    Args:
        visual: ``(..., factors * G)``.
        audio: The same, or broadcast to it.
        factors: Products in a group.
        dropout: Probability of dropping a product; 0 outside training.

    Returns:
        ``(..., G)``.
    """
    sums = F.dropout(visual * audio, dropout).unflatten(-1, (-1, factors)).sum(-1)
    # The rectifiers pass no gradient where a sum is 0, in spite of the infinite slope of the root.
    return F.normalize(F.relu(sums).sqrt() - F.relu(-sums).sqrt(), dim=-1)
