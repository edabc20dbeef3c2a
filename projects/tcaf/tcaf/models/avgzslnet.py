"""AVGZSLNet: audio-visual generalised zero-shot learning with reconstructed words."""
from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.losses import symmetric_triplets, triplet
from projects.tcaf.tcaf.models.paired_model import PairedModel
from projects.tcaf.tcaf.models.projection_net import ProjectionNet


@MODELS.register_module()
class AVGZSLNet(PairedModel):
    r"""Embeddings of sound, picture and words from which one decoder restores the word.

    Of "AVGZSLNet: Audio-Visual Generalized Zero-Shot Learning by Reconstructing Label Features from Multi-Modal
    Embeddings" (WACV 2021). With the embeddings a, v, t, the decoder D, and the triplet loss T of margin 1:

    .. math::
        L = \sum_{x \in t, a, v} |D(x) - w|_2 + \sum_{x \in a, v} T(D(t), D(x), D(x^-))
            + \sum_{x \in a, v} T(t, x, x^-) + T(x, t, t^-)

    with means over the batch. Distances of ``'both'`` are the sums of those of both modalities.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        decoder: ``hidden_channels``, ``dropout`` and ``norm`` of the decoder.
        normalize_words: Whether restored words have length 1.
        distance: ``'l2'``, or ``'squared'`` for squared distances to w.
        word_channels: Width of word vectors.
        embed_channels: Width of the space.
        **options: ``net`` and further arguments of :class:`PairedModel`.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(self, in_channels: dict[str, int], decoder: dict | None = None, normalize_words: bool = True,
                 distance: str = 'l2', word_channels: int = 300, embed_channels: int = 64, **options):
        super().__init__(in_channels, word_channels=word_channels, embed_channels=embed_channels, **options)
        if distance not in ('l2', 'squared'):
            raise ConfigError(f"AVGZSLNet: distance={distance!r} is unknown; use 'l2' or 'squared'")
        self.normalize_words, self.distance = normalize_words, distance
        self.decoder = ProjectionNet(embed_channels, out_channels=word_channels,
                                     **dict(dict(hidden_channels=64, dropout=0.5), **(decoder or {})))

    def decode(self, embedded: Tensor) -> Tensor:
        """Restored words ``(B, 300)``."""
        words = self.decoder(embedded)
        return F.normalize(words) if self.normalize_words else words

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The three terms, and what balancing hooks add to them."""
        ours, others = self.pairs(inputs)
        words = {x: self.decode(ours[x]) for x in ('word', *self.modalities)}
        other = {m: self.decode(others[m]) for m in self.modalities}
        feats = {m: ours[m] for m in self.modalities}
        losses = dict(
            loss_restore=sum(self._distance(word, inputs['word']) for word in words.values()),
            loss_words=sum(triplet(words['word'], words[m], other[m]) for m in self.modalities),
            loss_space=symmetric_triplets(feats, ours['word'], {m: others[m] for m in self.modalities},
                                          others['word']))
        return self.finish_step(feats, None, self.class_rows(data_samples), losses, data_samples)

    def _distance(self, restored: Tensor, word: Tensor) -> Tensor:
        squared = (restored - word).square().sum(1)
        return (squared if self.distance == 'squared' else (restored - word).norm(dim=1)).mean()
