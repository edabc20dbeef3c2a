"""DeViSE, ALE, SJE: one matrix between features and words, three losses."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.base import GZSLModel

#: How the costs of wrong classes are summed up.
RANKINGS = ('devise', 'ale', 'sje')


def ranking_loss(scores: Tensor, rows: Tensor, ranking: str, margin: float = 0.1) -> Tensor:
    r"""How much wrong classes come within ``margin`` of the right one.

    With the costs :math:`c_{ij} = \max(0, margin + s_{ij} - s_{i y_i})` of the wrong classes j:

    * ``'devise'`` (NeurIPS 2013): the sum of all;
    * ``'sje'`` (CVPR 2015): the largest of each sample;
    * ``'ale'`` (TPAMI 2016): the sum, weighed with :math:`\beta_r / r`, where r counts the positive costs of a
      sample and :math:`\beta_r = \sum_{k \le r} 1 / k`.

    Args:
        scores: ``(B, C)``.
        rows: The right classes ``(B,)``.
        ranking: Which one.
        margin: The lead that the right class shall have.

    Returns:
        The sum over the samples, divided by B.
    """
    costs = F.relu(margin + scores - scores.gather(1, rows[:, None]))
    costs = costs.scatter(1, rows[:, None], 0.0)
    if ranking == 'sje':
        costs = costs.amax(1, keepdim=True)
    elif ranking == 'ale':
        count = (costs > 0).sum(1, keepdim=True)
        ranks = torch.arange(1, scores.shape[1] + 1, device=scores.device, dtype=scores.dtype)
        beta = F.pad((1 / ranks).cumsum(0), (1, 0))
        costs = costs * (beta[count] / (count + 1e-8))
    return costs.sum() / len(scores)


class JoinedModel(GZSLModel):
    """Base of models that read one vector, the picture's features followed by the sound's.

    What a modality says alone: the projection of its part of the vector, as the maps are linear.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        normalize: Bring each vector to length 1.
        **options: ``extra_bn_pass``, ``data_preprocessor``, ``init_cfg`` of :class:`GZSLModel`.

    Raises:
        ConfigError: If a modality is missing.
    """

    def __init__(self, in_channels: dict[str, int], normalize: bool = False, **options):
        super().__init__(**options)
        if set(in_channels) != set(self.modalities):
            raise ConfigError(f'{type(self).__name__}: in_channels has {", ".join(in_channels) or "nothing"}; it '
                              'takes both audio and visual')
        self.normalize = normalize
        # No layer belongs to one modality alone.
        self.branches = nn.ModuleDict({m: nn.Identity() for m in self.modalities})

    def branch(self, modality: str) -> nn.Module:
        """Nothing: no parameter belongs to one modality alone."""
        return self.branches[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """The features ``{m: (B, D_m)}``; with ``normalize``, as parts of a vector of length 1."""
        feats = {m: self.branches[m](inputs[m]) for m in self.modalities}
        if not self.normalize:
            return feats
        joined = F.normalize(self.join(feats))
        visual, audio = joined.split([feats['visual'].shape[1], feats['audio'].shape[1]], 1)
        return dict(audio=audio, visual=visual)

    def join(self, feats: Feats) -> Tensor:
        """``(B, D_v + D_a)``."""
        return torch.cat([feats['visual'], feats['audio']], 1)

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """Class scores ``{m: (B, C)}`` of the vector whose other part is zero."""
        silent = {m: torch.zeros_like(x) for m, x in feats.items()}
        return {m: self.fuse({**silent, m: feats[m]}) for m in self.modalities}

    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """The words themselves."""
        return dict(both=words)


@MODELS.register_module()
class BilinearCompatibility(JoinedModel):
    """A linear map of the features into the space of words, whose products with the words rank the classes.

    DeViSE, ALE and SJE as the benchmark of AVCA (CVPR 2022) trains them; see :func:`ranking_loss`. In evaluation the
    nearest word by L2 distance counts.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        ranking: ``'devise'``, ``'ale'`` or ``'sje'``.
        channels: Width of word vectors.
        dropout: Probability of dropping a feature in training.
        word_dropout: Whether values of the class words are dropped too, as published.
        margin: Margin of the loss.
        **options: ``normalize`` and further arguments of :class:`JoinedModel`.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(self, in_channels: dict[str, int], ranking: str = 'devise', channels: int = 300,
                 dropout: float = 0.2, word_dropout: bool = True, margin: float = 0.1, **options):
        super().__init__(in_channels, **options)
        if ranking not in RANKINGS:
            raise ConfigError(f'BilinearCompatibility: ranking={ranking!r} is unknown; use one of '
                              f'{", ".join(RANKINGS)}')
        self.ranking, self.margin, self.word_dropout = ranking, margin, word_dropout
        self.dropout = nn.Dropout(dropout)
        self.bilinear = nn.Linear(sum(in_channels.values()), channels, bias=False)

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """Projected features ``(B, 300)``."""
        return dict(both=self.bilinear(self.dropout(self.join(feats))))

    def fuse(self, feats: Feats) -> Tensor:
        """Products of the projected features and the class words ``(B, C)``."""
        words = self.words_of_classes
        return self.embed_feats(feats)['both'] @ (self.dropout(words) if self.word_dropout else words).t()

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The ranking loss, and what balancing hooks add to it."""
        feats, rows = self.extract_feat(inputs), self.class_rows(data_samples)
        scores = self.fuse(feats)
        losses = dict(loss=ranking_loss(scores, rows, self.ranking, self.margin))
        return self.finish_step(feats, scores, rows, losses, data_samples)
