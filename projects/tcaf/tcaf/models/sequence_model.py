"""What zero-shot models of temporal features have in common: encoders, word spaces and losses."""
from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.attention.functional import leave_to_torch
from avmm.models.base import Feats
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from avmm.utils.batch_buffers import BatchBuffers
from avmm.utils.batch_norm import frozen_statistics
from projects.tcaf.tcaf.models.base import GZSLModel
from projects.tcaf.tcaf.models.embedding_net import EmbeddingNet
from projects.tcaf.tcaf.models.padding import Packing
from projects.tcaf.tcaf.models.position_encoder import PositionEncoder

_MEMORY = BatchBuffers(limit=4, least=1 << 18)

#: The terms of the objective.
LOSSES = ('loss_ce', 'loss_reg', 'loss_rec')


class SequenceModel(GZSLModel):
    r"""Encodes sequences, gathers them into one vector c, and compares it with words.

    The frame of TCAF ("Temporal and cross-modal attention for audio-visual zero-shot learning", ECCV 2022); a subclass
    says how the sequences are gathered. With the word vector w of a clip's class and all word vectors E of a split,

    .. math::
        \theta_o = O(c), \quad \rho_o = D_o(\theta_o), \quad \theta_w = W(w), \quad \rho_w = D_w(\theta_w)

        L_{ce} = CE(\theta_o W(E)^T), \quad L_{reg} = |\theta_o - \theta_w|^2, \quad
        L_{rec} = |w - \rho_o|^2 + |w - \rho_w|^2

    with means over all elements. A clip is embedded as :math:`\theta_o`, a class as :math:`\theta_w`.

    Inputs: ``audio`` ``(B, T_a, D_a)``, ``visual`` ``(B, T_v, D_v)``, zeros where padded; ``audio_mask``,
    ``visual_mask`` ``(B, T)``, 0 where padded; ``audio_time``, ``visual_time`` ``(B, T)`` in s; ``word`` ``(B, 300)``
    of the class, in training. Before the encoders, audio is divided by 255, visual features are L2-normalised along
    time, each channel of a clip by itself.

    What a modality says alone: the class scores of a clip whose other modality is hidden.

    Args:
        in_channels: Width of the features of each modality, in the order of the sequence. One modality makes a model
            of it alone.
        channels: Width d of a token. With the reconstruction loss it is that of the word vectors.
        embed_channels: Width of the space of clips and words.
        word_channels: Width of a word vector.
        encoder: ``hidden_channels``, ``dropout`` and ``hidden_norm`` of the :class:`EmbeddingNet` of each modality;
            None hands the features to the position encoder as they are.
        position: Arguments of the :class:`PositionEncoder`.
        head: ``hidden_channels``, ``dropout`` and ``hidden_norm`` of the networks O and D_o.
        word_dropout: Probability of dropout in the networks W and D_w.
        loss_weights: Weight of each term, ``loss_ce``, ``loss_reg`` and ``loss_rec``; 1 where it is not given, 0 for
            none of it.
        embed_time: Times of the steps where clips are embedded: ``'index'`` (0, 1, 2, ..., published) or
            ``'seconds'``. The losses always take seconds.
        **options: ``extra_bn_pass``, ``data_preprocessor``, ``init_cfg`` of :class:`GZSLModel`.

    Raises:
        ConfigError: If the options do not go together.
    """

    def __init__(self, in_channels: dict[str, int], channels: int = 300, embed_channels: int = 64,
                 word_channels: int = 300, encoder: dict | None = None, position: dict | None = None,
                 head: dict | None = None, word_dropout: float = 0.0, loss_weights: dict[str, float] | None = None,
                 embed_time: str = 'index', **options):
        super().__init__(**options)
        self.modalities = tuple(in_channels)
        self.loss_weights = {**dict.fromkeys(LOSSES, 1.0), **(loss_weights or {})}
        self._check(channels, word_channels, embed_time)
        self.embed_time = embed_time
        self.joint_step = self.loss_weights['loss_ce'] != 0
        self.encoders = None if encoder is None else nn.ModuleDict({
            m: EmbeddingNet(width, channels, **encoder) for m, width in in_channels.items()})
        widths = in_channels if encoder is None else dict.fromkeys(in_channels, channels)
        self.position = PositionEncoder(widths, channels, **(position or {}))
        head = dict(dict(hidden_channels=512), **(head or {}))
        self.project = EmbeddingNet(channels, embed_channels, **head)
        self.decode = EmbeddingNet(embed_channels, channels, **head)
        self.project_words = EmbeddingNet(word_channels, embed_channels, dropout=word_dropout)
        self.decode_words = EmbeddingNet(embed_channels, word_channels, dropout=word_dropout)

    def _check(self, channels: int, word_channels: int, embed_time: str) -> None:
        name, weights = type(self).__name__, self.loss_weights
        if not self.modalities or set(self.modalities) - {'audio', 'visual'}:
            raise ConfigError(f'{name}: in_channels has {", ".join(self.modalities) or "nothing"}; it takes audio, '
                              'visual or both')
        if set(weights) - set(LOSSES):
            raise ConfigError(f'{name}: loss_weights has {", ".join(sorted(set(weights) - set(LOSSES)))}; it takes '
                              f'{", ".join(LOSSES)}')
        if not any(weights.values()):
            raise ConfigError(f'{name}: all loss_weights are 0; nothing is left to train with')
        if weights['loss_rec'] and channels != word_channels:
            raise ConfigError(f'{name}: channels={channels}, but loss_rec compares the decoded clip with word vectors '
                              f'of {word_channels}; make them equal, or set loss_weights.loss_rec to 0')
        if embed_time not in ('index', 'seconds'):
            raise ConfigError(f"{name}: embed_time={embed_time!r} is unknown; use 'index' or 'seconds'")

    @abstractmethod
    def gather(self, tokens: Feats, masks: dict[str, Tensor | None]) -> Tensor:
        """One vector a clip ``(B, d)`` of the tokens ``{m: (B, T_m, d)}`` of some modalities.

        ``masks`` are ``{m: (B, T_m)}``, 0 where a step is padded, or None where none is.
        """

    def branch(self, modality: str) -> nn.Module:
        """The encoder of the modality; its projection to tokens where there is no encoder."""
        return (self.position.project if self.encoders is None else self.encoders)[modality]

    def extract_feat(self, inputs: dict[str, Tensor], seconds: bool | None = None) -> Feats:
        """Tokens ``{m: (B, T_m, d)}``, and ``<m>_mask`` ``(B, T_m)`` where the inputs have one.

        Args:
            inputs: See the class.
            seconds: Whether the times of the steps are seconds; indices otherwise. By default as ``embed_time`` says.

        Raises:
            DataError: If seconds are wanted and the inputs have none.
        """
        seconds = self.embed_time == 'seconds' if seconds is None else seconds
        feats = {}
        for m in self.modalities:
            mask, times = inputs.get(f'{m}_mask'), inputs.get(f'{m}_time')
            if seconds and times is None:
                raise DataError(f"{type(self).__name__} needs inputs['{m}_time'] (B, T), the time of each step in s; "
                                'collate with times')
            feats[m] = self.position(m, self._encode(m, inputs[m], mask), mask, times if seconds else None)
            if mask is not None:
                feats[f'{m}_mask'] = mask
        return feats

    def _encode(self, modality: str, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x.to(self.project.fc[0].weight.dtype)
        x = x / 255 if modality == 'audio' else normalize_time(x)
        if self.encoders is None:
            return x
        packing = Packing.worth(None if mask is None else mask > 0)
        encoded = self.encoders[modality](x.flatten(0, 1) if packing is None else x, packing)
        return encoded.unflatten(0, x.shape[:2])

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """theta_o ``(B, z)``, the only mode."""
        tokens = {m: feats[m] for m in self.modalities if m in feats}
        return dict(both=self.project(self.gather(tokens, {m: feats.get(f'{m}_mask') for m in tokens})))

    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """theta_w ``(C, z)`` of word vectors ``(C, 300)``."""
        return dict(both=self.project_words(words))

    def class_scores(self, embedded: Tensor, mode: str = 'both') -> Tensor:
        """Products with the embeddings of the classes ``(B, C)``: the logits of the cross entropy."""
        return embedded @ self.embed_classes(self.words_of_classes)[mode].t()

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{m: (B, C)}`` of clips whose other modality is hidden; running statistics stay as they are."""
        with frozen_statistics(self):
            return {m: self.fuse({name: x for name, x in feats.items() if name.startswith(m)})
                    for m in self.modalities}

    def outputs(self, inputs: dict[str, Tensor]) -> tuple[Feats, dict[str, Tensor]]:
        """Features, and ``theta_o``, ``rho_o``, ``theta_w``, ``rho_w`` as the losses have them, each ``(B, ...)``."""
        feats = self.extract_feat(inputs, seconds=True)
        theta_o = self.embed_feats(feats)['both']
        theta_w = self.project_words(inputs['word'].to(theta_o.dtype))
        return feats, dict(theta_o=theta_o, rho_o=self.decode(theta_o), theta_w=theta_w,
                           rho_w=self.decode_words(theta_w))

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The terms that have a weight, and what balancing hooks add to them."""
        feats, out = self.outputs(inputs)
        rows, word = self.class_rows(data_samples), inputs['word'].to(out['rho_w'].dtype)
        terms = dict(loss_reg=F.mse_loss(out['theta_o'], out['theta_w']))
        if self.loss_weights['loss_rec']:
            terms['loss_rec'] = F.mse_loss(word, out['rho_o']) + F.mse_loss(word, out['rho_w'])
        logits = None
        if self.joint_step:
            logits = self.class_scores(out['theta_o'])
            terms['loss_ce'] = F.cross_entropy(logits, rows)
        losses = {name: weight * terms[name] if weight != 1 else terms[name]
                  for name, weight in self.loss_weights.items() if weight}
        return self.finish_step(feats, logits, rows, losses, data_samples)


def normalize_time(x: Tensor) -> Tensor:
    """Features ``(B, T, D)``, each channel of a clip L2-normalised along time.

    torch's norms along a middle axis take ten times as long as sums of squares.
    """
    if x.device.type != 'cpu' or x.requires_grad or leave_to_torch(x):
        return x / x.square().sum(1, keepdim=True).sqrt().clamp_min(1e-12)
    # Clip by clip, which stays in the cache, into memory that is there already.
    out = _MEMORY.empty('normalized', x.shape, x.dtype)
    for clip, place in zip(x, out, strict=True):
        torch.div(clip, clip.square().sum(0).sqrt_().clamp_min_(1e-12), out=place)
    return out
