"""APN: attribute prototypes."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from projects.tcaf.tcaf.models.bilinear import JoinedModel


@MODELS.register_module()
class APN(JoinedModel):
    r"""Two linear maps of the features to the values of a word vector, taken as attributes.

    Of "Attribute Prototype Network for Zero-Shot Learning" (NeurIPS 2020), in the form in which the benchmark of AVCA
    trains it on features without locations. With the attributes x of a map and the class words E:

    .. math:: L = \sum_{maps} CE(softmax(x E^T), y) + |x - w|^2

    The cross-entropy takes a softmax of its own, so that there are two. In evaluation, the attributes of the first map
    are compared with the words by L2 distance.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        channels: Width of word vectors.
        double_softmax: As published; without, the cross-entropy reads ``x E^T``.
        **options: ``normalize`` and further arguments of :class:`JoinedModel`.
    """

    def __init__(self, in_channels: dict[str, int], channels: int = 300, double_softmax: bool = True, **options):
        super().__init__(in_channels, **options)
        self.double_softmax = double_softmax
        width = sum(in_channels.values())
        self.final, self.prototypes = (nn.Parameter(2e-4 * torch.rand(channels, width)) for _ in range(2))

    def attributes(self, feats: Feats) -> tuple[Tensor, Tensor]:
        """What either map says, ``(B, 300)`` each."""
        joined = self.join(feats)
        return joined @ self.final.t(), joined @ self.prototypes.t()

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """Attributes of the first map."""
        return dict(both=self.attributes(feats)[0])

    def fuse(self, feats: Feats) -> Tensor:
        """Products of these attributes and the class words ``(B, C)``."""
        return self.embed_feats(feats)['both'] @ self.words_of_classes.t()

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """Cross-entropy and regression of both maps, and what balancing hooks add to them."""
        feats, rows, words = self.extract_feat(inputs), self.class_rows(data_samples), self.words_of_classes
        both = self.attributes(feats)
        scores = [x @ words.t() for x in both]
        entropy = [F.cross_entropy(s.softmax(-1) if self.double_softmax else s, rows) for s in scores]
        losses = dict(loss_ce=sum(entropy), loss_reg=sum(F.mse_loss(x, inputs['word']) for x in both))
        return self.finish_step(feats, scores[0], rows, losses, data_samples)
