"""AVCA: cross-attention between one audio and one visual vector."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from avmm.utils.batch_norm import frozen_statistics
from projects.tcaf.tcaf.models.base import GZSLModel
from projects.tcaf.tcaf.models.embedding_net import EmbeddingNet
from projects.tcaf.tcaf.models.losses import symmetric_triplets, triplet
from projects.tcaf.tcaf.models.token_transformer import TransformerLayer

#: The terms of the objective.
LOSSES = ('loss_cmd', 'loss_w', 'loss_t', 'loss_reg')
#: Which embedding is compared with the classes.
EMBEDDINGS = ('visual', 'audio', 'each')


@MODELS.register_module()
class AVCA(GZSLModel):
    r"""Audio-visual cross-attention on features averaged over time.

    Of "Audio-visual Generalised Zero-shot Learning with Cross-modal Attention and Language" (CVPR 2022)::

        phi_m   = encoder_m(x_m)                    t = transformer((phi_a + p_0, phi_v + p_1))
        theta_m = project_m(phi_m + t_m)            theta_w = W(w)
        rho_m   = D(theta_m)   rho_w = D(theta_w)   phi_m' = rec_m(theta_m)

    The same for a clip of another class, ``-``. With T(a, p, n) the triplet loss of margin 1 and means over all
    elements, the terms are

    .. math::
        L_{cmd} &= \sum_{m \in a, v, w} |w - \rho_m|^2 + \sum_{m \in a, v} T(\rho_w, \rho_m, \rho_m^-) \\
        L_w &= \sum_{m \in a, v} T(\theta_w, \theta_m, \theta_m^-) + T(\theta_m, \theta_w, \theta_w^-) \\
        L_t &= \sum_{m \in a, v} f_1 T(\theta_m, \theta_w, \theta_m^-) + f_2 T(\theta_w, \theta_m, \theta_w^-) \\
        L_{reg} &= \sum_{m \in a, v} |\phi_m' - \phi_m|^2 + |\theta_m - \theta_w|^2

    Inputs: ``audio`` ``(B, D_a)``, ``visual`` ``(B, D_v)``; in training ``word`` ``(B, 300)`` of the class, and
    ``negative``, a dictionary of the same for clips of other classes. Each network sees clips and negatives in calls
    of their own, in the order of the published program, on which the running statistics depend.

    What a modality says alone: its embedding when the transformer sees that modality only.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        channels: Width of phi and of word vectors.
        embed_channels: Width of the space of clips and words.
        encoder: ``hidden_channels`` and ``dropout`` of the encoders.
        projection: ``hidden_channels`` and ``dropout`` of the projections.
        transformer: ``depth``, ``num_heads``, ``head_channels``, ``hidden_channels``, ``dropout``.
        word_dropout: Probability of dropout in W, D and the reconstructions.
        momentum: Momentum of the running statistics of the outputs of encoders and projections.
        loss_weights: Weight of each term; 1 where it is not given, 0 for none of it.
        triplet_weights: f_1 and f_2.
        train_positions: Whether p is trained. The published program forgets to hand it to its optimiser.
        unused_calls: Let the projections read the reconstructions, whose result nothing uses: as in the published
            program, it counts in their running statistics.
        evaluate: Which embedding is compared with the classes: ``'visual'`` (published), ``'audio'``, or ``'each'``
            alone and both, with the sum of their distances.
        **options: ``extra_bn_pass``, ``data_preprocessor``, ``init_cfg`` of :class:`GZSLModel`.

    Raises:
        ConfigError: If an option is unknown or nothing is left to train with.

    Example:
        >>> model = MODELS.build(dict(type='AVCA', in_channels=dict(audio=128, visual=4096)))
        >>> model(dict(audio=torch.rand(2, 128), visual=torch.rand(2, 4096))).shape
        torch.Size([2, 64])
    """

    joint_step = False

    def __init__(self, in_channels: dict[str, int], channels: int = 300, embed_channels: int = 64,
                 encoder: dict | None = None, projection: dict | None = None, transformer: dict | None = None,
                 word_dropout: float = 0.5, momentum: float = 0.1, loss_weights: dict[str, float] | None = None,
                 triplet_weights: tuple[float, float] = (1.0, 1.0), train_positions: bool = False,
                 unused_calls: bool = True, evaluate: str = 'visual', **options):
        super().__init__(**options)
        self.loss_weights = {**dict.fromkeys(LOSSES, 1.0), **(loss_weights or {})}
        self._check(in_channels, evaluate)
        self.triplet_weights, self.unused_calls, self.evaluate = tuple(triplet_weights), unused_calls, evaluate
        encoder = dict(dict(hidden_channels=512, dropout=0.2, momentum=momentum), **(encoder or {}))
        projection = dict(dict(hidden_channels=512, dropout=0.3, momentum=momentum), **(projection or {}))
        layers = dict(dict(depth=1, num_heads=3, head_channels=100, hidden_channels=64, dropout=encoder['dropout']),
                      **(transformer or {}))
        depth = layers.pop('depth')
        self.encoders = nn.ModuleDict({m: EmbeddingNet(in_channels[m], channels, **encoder) for m in self.modalities})
        self.layers = nn.ModuleList(TransformerLayer(channels, shared_norm=False, **layers) for _ in range(depth))
        self.positions = nn.Parameter(torch.randn(2, channels), requires_grad=train_positions)
        self.project = nn.ModuleDict({
            m: EmbeddingNet(channels, embed_channels, **projection) for m in self.modalities})
        self.project_words = EmbeddingNet(channels, embed_channels, dropout=word_dropout)
        self.decode = EmbeddingNet(embed_channels, channels, dropout=word_dropout)
        self.reconstruct = nn.ModuleDict({
            m: EmbeddingNet(embed_channels, channels, dropout=word_dropout) for m in self.modalities})

    def _check(self, in_channels: dict[str, int], evaluate: str) -> None:
        if set(in_channels) != set(self.modalities):
            raise ConfigError(f'AVCA: in_channels has {", ".join(in_channels) or "nothing"}; it takes both audio and '
                              'visual')
        if set(self.loss_weights) - set(LOSSES):
            raise ConfigError(f'AVCA: loss_weights has {", ".join(sorted(set(self.loss_weights) - set(LOSSES)))}; it '
                              f'takes {", ".join(LOSSES)}')
        if not any(self.loss_weights.values()):
            raise ConfigError('AVCA: all loss_weights are 0; nothing is left to train with')
        if evaluate not in EMBEDDINGS:
            raise ConfigError(f'AVCA: evaluate={evaluate!r} is unknown; use one of {", ".join(EMBEDDINGS)}')

    def branch(self, modality: str) -> nn.Module:
        """The encoder of the modality."""
        return self.encoders[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """phi ``{m: (B, channels)}``."""
        return {m: self.encoders[m](inputs[m]) for m in self.modalities}

    def attend(self, feats: Feats) -> Tensor:
        """The transformer's output ``(B, M, channels)`` for phi of M modalities."""
        x = torch.stack([feats[m] + self.positions[self.modalities.index(m)] for m in feats], 1)
        for layer in self.layers:
            x = layer(x)
        return x

    def project_feats(self, feats: Feats, attended: Tensor, only: str | None = None) -> Feats:
        """theta ``{m: (B, z)}`` of all modalities, or of one of them."""
        return {m: self.project[m](phi + attended[:, i]) for i, (m, phi) in enumerate(feats.items())
                if only in (None, m)}

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """theta of the modes that :attr:`evaluate` asks for; ``'both'`` is that of one modality."""
        theta = self.project_feats(feats, self.attend(feats))
        return theta if self.evaluate == 'each' else dict(both=theta[self.evaluate])

    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """theta_w ``(C, z)``, for all modes the same."""
        return dict.fromkeys(('both', *self.modalities), self.project_words(words))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """Negative distances ``{m: (B, C)}`` of each modality by itself; running statistics stay as they are."""
        with frozen_statistics(self):
            alone = [{m: feats[m]} for m in self.modalities]
            return {m: self.class_scores(self.project_feats(one, self.attend(one))[m])
                    for m, one in zip(self.modalities, alone, strict=True)}

    def outputs(self, inputs: dict[str, Tensor]) -> tuple[dict[str, Feats], dict[str, Feats]]:
        """All that the losses need, of the clips and of the negatives, in the published order of calls.

        Returns:
            Two dictionaries with ``phi``, ``theta`` and ``rho``; the first also has ``rec``, the reconstructions of
            phi, and ``attended``, the output of the transformer.

        Raises:
            DataError: If the batch has no negatives.
        """
        batches = (inputs, self.negatives(inputs))
        phi = [self.extract_feat(batch) for batch in batches]
        theta = [dict(word=self.project_words(batch['word'])) for batch in batches]
        rho = [dict(word=self.decode(t['word'])) for t in theta]
        attended = [self.attend(p) for p in phi]
        for m in ('visual', 'audio'):
            for t, p, a in zip(theta, phi, attended, strict=True):
                t.update(self.project_feats(p, a, m))
        rec = {m: self.reconstruct[m](theta[0][m]) for m in ('visual', 'audio')}
        if self.unused_calls and self.training:
            with torch.no_grad():
                for m in self.modalities:
                    self.project[m](rec[m])
        for m in self.modalities:
            for t, r in zip(theta, rho, strict=True):
                r[m] = self.decode(t[m])
        ours, others = (dict(phi=p, theta=t, rho=r) for p, t, r in zip(phi, theta, rho, strict=True))
        return dict(ours, rec=rec, attended=attended[0]), others

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The terms that have a weight, and what balancing hooks add to them."""
        ours, others = self.outputs(inputs)
        terms = dict(loss_cmd=lambda: self._decoding(inputs['word'], ours['rho'], others['rho']),
                     loss_w=lambda: symmetric_triplets(*_apart(ours['theta']), *_apart(others['theta'])),
                     loss_t=lambda: self._further_triplets(ours['theta'], others['theta']),
                     loss_reg=lambda: self._regression(ours))
        losses = {name: weight * terms[name]() for name, weight in self.loss_weights.items() if weight}
        return self.finish_step(ours['phi'], None, self.class_rows(data_samples), losses, data_samples)

    def _decoding(self, word: Tensor, rho: Feats, other: Feats) -> Tensor:
        return (sum(F.mse_loss(word, rho[m]) for m in (*self.modalities, 'word'))
                + sum(triplet(rho['word'], rho[m], other[m]) for m in self.modalities))

    def _further_triplets(self, theta: Feats, other: Feats) -> Tensor:
        first, second = self.triplet_weights
        word = theta['word']
        return sum(first * triplet(theta[m], word, other[m]) + second * triplet(word, theta[m], other['word'])
                   for m in self.modalities)

    def _regression(self, ours: dict[str, Feats]) -> Tensor:
        phi, theta, rec = ours['phi'], ours['theta'], ours['rec']
        return sum(F.mse_loss(rec[m], phi[m]) + F.mse_loss(theta[m], theta['word']) for m in self.modalities)


def _apart(theta: Feats) -> tuple[Feats, Tensor]:
    """Embeddings of clips, and that of words."""
    return {m: x for m, x in theta.items() if m != 'word'}, theta['word']
