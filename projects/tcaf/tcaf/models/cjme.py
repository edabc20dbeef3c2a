"""CJME: coordinated joint multimodal embeddings."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.losses import triplet
from projects.tcaf.tcaf.models.paired_model import PairedModel

#: By how much one entropy has to exceed the other for a modality to count as the surer one.
_MARGIN = 0.1


@MODELS.register_module()
class CJME(PairedModel):
    r"""Embeddings of sound, picture and words, and an attention that says which modality to believe.

    Of "Coordinated Joint Multimodal Embeddings for Generalized Audio-Visual Zero-shot Classification and Retrieval of
    Videos" (WACV 2020), as the benchmark of AVCA trains it. With the embeddings a, v and t of a clip and its word,
    the attention w, and the triplet losses l of margin 1:

    .. math::
        L = \operatorname{mean}_{i, j} \big[ (1 - w_i) \, l(t_j, a_j, a_j^-) + w_i \, l(t_j, v_j, v_j^-) \big]
            + |a - v|^2 + |w - s|^2

    where s is 0, 1/2 or 1: which modality is surer of its class, by the entropy of its softmax over the classes. The
    mean over all pairs (i, j) is what broadcasting makes of the published code; the paper pairs i with itself.

    Distances of ``'both'`` are those of the picture where w is at least 1/2, and those of the sound elsewhere.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        pairs_of_loss: ``'all'`` (published), or ``'own'``, attention and losses of one clip.
        **options: ``net``, ``word_channels``, ``embed_channels`` and further arguments of :class:`PairedModel`.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(self, in_channels: dict[str, int], pairs_of_loss: str = 'all', **options):
        super().__init__(in_channels, rectify=True, **options)
        if pairs_of_loss not in ('all', 'own'):
            raise ConfigError(f"CJME: pairs_of_loss={pairs_of_loss!r} is unknown; use 'all' or 'own'")
        self.pairs_of_loss = pairs_of_loss
        width = sum(in_channels.values())
        self.attention = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, 1), nn.Sigmoid())

    def attend(self, inputs: dict[str, Tensor]) -> Tensor:
        """Attention to the picture w ``(B, 1)``, 0 to 1."""
        return self.attention(torch.cat([inputs['audio'], inputs['visual']], 1))

    def distances(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of each modality, and of the one to believe as ``'both'``."""
        found = super().distances(inputs)
        return dict(found, both=torch.where(self.attend(inputs) >= 0.5, found['visual'], found['audio']))

    def extra_pass(self, inputs: dict[str, Tensor]) -> None:
        """See :class:`GZSLModel`; the attention takes part."""
        super().extra_pass(inputs)
        self.attend(inputs)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The three terms, and what balancing hooks add to them."""
        ours, others = self.pairs(inputs)
        weight, word = self.attend(inputs), ours['word']
        audio, visual = (triplet(word, ours[m], others[m], reduction='none') for m in self.modalities)
        if self.pairs_of_loss == 'own':
            audio, visual = audio[:, None], visual[:, None]
        losses = dict(loss_triplet=((1 - weight) * audio + weight * visual).mean(),
                      loss_near=F.mse_loss(ours['audio'], ours['visual']),
                      loss_attention=F.mse_loss(weight, self._surer(ours)))
        feats = {m: ours[m] for m in self.modalities}
        return self.finish_step(feats, None, self.class_rows(data_samples), losses, data_samples)

    def _surer(self, ours: Feats) -> Tensor:
        """s ``(B, 1)``: 0 where the sound is surer of its class than the picture, 1 where it is the other way."""
        classes = self.project_words(self.words_of_classes).detach()
        logs = {m: (ours[m].detach() @ classes.t()).log_softmax(-1) for m in self.modalities}
        audio, visual = (-(logs[m].exp() * logs[m]).sum(-1, keepdim=True) for m in self.modalities)
        even = audio.new_tensor(0.5)
        return torch.where(visual - audio - _MARGIN > 0, 0.0, torch.where(audio - visual - _MARGIN > 0, 1.0, even))
