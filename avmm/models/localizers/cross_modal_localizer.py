"""Event localiser of two encoders, two cross-modal decoders and an interaction."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.attention import MapSource
from avmm.models.attention.functional import linear_relu
from avmm.models.base import Feats
from avmm.models.localizers.event_localizer import EventLocalizer
from avmm.registry import MODELS


class AudioBranch(nn.Module):
    """What belongs to the audio alone: a temporal encoder.

    Args:
        encoder: The encoder, ``(B, S, D_in)`` to ``(B, S, D)``.
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, sequence: Tensor) -> Tensor:
        """Encoded segments ``(B, S, D)``."""
        return self.encoder(sequence)


class VisualBranch(AudioBranch):
    """What belongs to the visual modality: projection of the cells, attention over them, temporal encoder.

    Args:
        encoder: The encoder, ``(B, S, D_in)`` to ``(B, S, D)``.
        channels: Channels of a cell.
        projection: Whether cells pass a linear layer and a rectifier first.
        dropout: Probability of dropping a value behind the rectifier in training.
        attention: Attention that sums the cells of a segment up, ``(B, S, h, w, D_in)`` and audio ``(B, S, D_a)`` to
            ``(B, S, D_in)``; None if the features hold one vector a segment.
    """

    def __init__(self, encoder: nn.Module, channels: int, projection: bool = True, dropout: float = 0.2,
                 attention: nn.Module | None = None):
        super().__init__(encoder)
        self.dropout = dropout
        self.projection = nn.Linear(channels, channels) if projection else None
        self.attention = attention

    def attend(self, visual: Tensor, audio: Tensor) -> Tensor:
        """One vector a segment, ``(B, S, D_in)``, from cells ``(B, S, h, w, D_in)`` and audio ``(B, S, D_a)``."""
        if self.projection is not None:
            rate = self.dropout if self.training else 0.0
            visual = linear_relu(visual, self.projection.weight, self.projection.bias, rate)
        return visual if self.attention is None else self.attention(visual, audio)


@MODELS.register_module()
class CrossModalLocalizer(EventLocalizer):
    r"""Finds audio-visual events with attention inside each modality, between the two, and over both.

    The frame that CMRAN ("Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM 2020) and
    DMIN ("Dense Modality Interaction Network for Audio-Visual Event Localization", IEEE TMM 2022) have in common::

        v   = attention(dropout(relu(W V)), a)          one vector a segment, guided by the audio
        m_v = encoder_v(v)      q_a = decoder_a(a, m_v)
        m_a = encoder_a(a)      q_v = decoder_v(v, m_a)
        f   = interaction(q_a, q_v)                     what the head reads

    The number of segments and the size of the grid are those of the input.

    What a modality says alone: its memory ``m`` takes the place of both queries of the interaction, and the head reads
    the result. The interaction thus asks with ``m * m`` and gathers from ``m`` alone. The decoders, which see both
    modalities, have no part in it. The audio stays entirely by itself; of the visual modality, the audio has a say in
    which channels and cells its attention picks, and nowhere else.

    Args:
        head: Config of the head.
        visual_attention: Config of the attention over the cells; None if the features hold one vector a segment.
        in_channels: Width of the features of each modality.
        channels: Width D from the encoders on; it is handed to encoders, decoders and interaction.
        projection: Whether cells pass a linear layer and a rectifier before the attention.
        projection_dropout: Probability of dropping a value of the projection in training.
        encoder: Config of both temporal encoders.
        decoder: Config of both cross-modal decoders.
        interaction: Config of the interaction, ``{modality: (B, S, D)}`` to ``(B, S, D)``.
        **options: ``dtype``, ``with_attention``, ``data_preprocessor``, ``init_cfg`` of :class:`EventLocalizer`.

    Example:
        >>> model = MODELS.build(dict(
        ...     type='CrossModalLocalizer', in_channels=dict(audio=128, visual=512), projection=False,
        ...     head=dict(type='SupervisedEventHead')))
        >>> model(dict(audio=torch.rand(2, 10, 128), visual=torch.rand(2, 10, 512))).shape
        torch.Size([2, 28])
    """

    def __init__(self, head: dict, visual_attention: dict | None = None, in_channels: dict[str, int] | None = None,
                 channels: int = 256, projection: bool = True, projection_dropout: float = 0.2,
                 encoder: dict | None = None, decoder: dict | None = None, interaction: dict | None = None, **options):
        super().__init__(head, **options)
        widths = in_channels or dict(audio=128, visual=512)

        def build(cfg: dict | None, kind: str, **given) -> nn.Module:
            return MODELS.build(dict(dict(type=kind, channels=channels, **given), **(cfg or {})))

        attention = None if visual_attention is None else MODELS.build(dict(visual_attention))
        encoders = {m: build(encoder, 'TemporalEncoder', in_channels=widths[m]) for m in self.modalities}
        self.branches = nn.ModuleDict(dict(
            audio=AudioBranch(encoders['audio']),
            visual=VisualBranch(encoders['visual'], widths['visual'], projection, projection_dropout, attention)))
        self.decoders = nn.ModuleDict({
            m: build(decoder, 'CrossModalDecoder', in_channels=widths[m]) for m in self.modalities})
        self.interaction = self.build_interaction(interaction, channels)
        self.widen()

    def build_interaction(self, cfg: dict | None, channels: int) -> nn.Module:
        """The module that :meth:`fuse_segments` ends with."""
        return MODELS.build(dict(dict(type='AVInteraction', channels=channels), **(cfg or {})))

    def branch(self, modality: str) -> nn.Module:
        """Temporal encoder of the audio; projection, attention and temporal encoder of the visual modality.

        Called with the sequence ``(B, S, D_in)`` it gives the memory ``(B, S, D)``.
        """
        return self.branches[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Memories ``audio`` and ``visual`` ``(B, S, D)``, and the sequences that the decoders ask with.

        ``audio_sequence`` is the audio itself, ``visual_sequence`` what the attention makes of the cells.
        """
        sequences = dict(audio=inputs['audio'],
                         visual=self.branches['visual'].attend(inputs['visual'], inputs['audio']))
        feats = {m: self.branches[m](sequences[m]) for m in self.modalities}
        return {**feats, **{f'{m}_sequence': sequence for m, sequence in sequences.items()}}

    def decode(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, S, D)}``, each modality's segments with what they gathered from the other."""
        other = dict(audio='visual', visual='audio')
        return {m: self.decoders[m](feats[f'{m}_sequence'], feats[other[m]]) for m in self.modalities}

    def fuse_segments(self, feats: Feats) -> Tensor:
        """The interaction of the decoded modalities, ``(B, S, D)``."""
        return self.interaction(self.decode(feats))

    def unimodal_segments(self, feats: Feats) -> dict[str, Tensor]:
        """The interaction of the memory of each modality with itself; see the class."""
        return {m: self.interaction(dict.fromkeys(self.modalities, feats[m])) for m in self.modalities}

    def map_sources(self) -> dict[str, MapSource]:
        """Maps of the visual attention, of the interaction and of both decoders.

        ``interaction`` ``(B, S, 2S)``, over the audio and then the visual segments; ``audio_decoder`` and
        ``visual_decoder`` ``(B, S, 2S)``, over the segments of the other modality and then their own; and the maps of
        the visual attention under their names, such as ``spatial`` ``(B, S, h, w)``.
        """
        sources = {f'{m}_decoder': decoder.layers[-1].attention for m, decoder in self.decoders.items()}
        sources |= {'interaction': getattr(self.interaction, 'attention', None), '': self.branches['visual'].attention}
        return {name: source for name, source in sources.items() if isinstance(source, MapSource)}
