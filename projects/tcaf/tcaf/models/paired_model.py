"""What CJME and AVGZSLNet have in common: a network a modality and one for words, trained on pairs of classes."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.models.base import Feats
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.base import GZSLModel
from projects.tcaf.tcaf.models.projection_net import ProjectionNet


class PairedModel(GZSLModel):
    """Base of models that project each modality and the words into one space, on features averaged over time.

    Inputs: ``audio`` ``(B, D_a)``, ``visual`` ``(B, D_v)``; in training ``word`` ``(B, 300)`` of the class, and
    ``negative``, a dictionary of the same for clips of other classes. The embedding of a modality does not depend on
    the other one: it is what the modality says alone.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        net: ``hidden_channels``, ``dropout`` and ``norm`` of the networks.
        word_channels: Width of word vectors, and of the hidden layer of their network.
        embed_channels: Width of the space.
        rectify: Whether embeddings are never negative.
        **options: ``extra_bn_pass``, ``data_preprocessor``, ``init_cfg`` of :class:`GZSLModel`.

    Raises:
        ConfigError: If a modality is missing.
    """

    joint_step = False

    def __init__(self, in_channels: dict[str, int], net: dict | None = None, word_channels: int = 300,
                 embed_channels: int = 64, rectify: bool = False, **options):
        super().__init__(**options)
        if set(in_channels) != set(self.modalities):
            raise ConfigError(f'{type(self).__name__}: in_channels has {", ".join(in_channels) or "nothing"}; it '
                              'takes both audio and visual')
        net = dict(dict(hidden_channels=1024, dropout=0.2), **(net or {}), rectify=rectify,
                   out_channels=embed_channels)
        self.encoders = nn.ModuleDict({m: ProjectionNet(in_channels[m], **net) for m in self.modalities})
        self.project_words = ProjectionNet(word_channels, **dict(net, hidden_channels=word_channels))

    def branch(self, modality: str) -> nn.Module:
        """The network of the modality."""
        return self.encoders[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Embeddings ``{m: (B, z)}``."""
        return {m: self.encoders[m](inputs[m]) for m in self.modalities}

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """The embeddings of both modalities; ``'both'`` is a matter of distances."""
        return {m: feats[m] for m in self.modalities}

    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """Embeddings of words ``(C, z)``, for all modes the same."""
        return dict.fromkeys(('both', *self.modalities), self.project_words(words))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """Negative distances to the classes ``{m: (B, C)}``."""
        return {m: self.class_scores(feats[m]) for m in self.modalities}

    def pairs(self, inputs: dict[str, Tensor]) -> tuple[Feats, Feats]:
        """Embeddings of clips and their ``word``, and of the negatives.

        Raises:
            DataError: If the batch has no negatives.
        """
        ours, others = (dict(self.extract_feat(batch), word=self.project_words(batch['word']))
                        for batch in (inputs, self.negatives(inputs)))
        return ours, others
