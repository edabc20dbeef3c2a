"""One transformer for audio and for video."""
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from avmm.models.base import Feats
from avmm.registry import MODELS
from projects.uavm.uavm.models.base import FeatureTransformer, LayerFeats
from projects.uavm.uavm.models.trunk import TemporalTransformer


class LateFusionTransformer(FeatureTransformer):
    """Base of models in which each modality finds its own way from features to logits.

    A subclass says with :meth:`upper` which trunk a modality passes after its branch.
    """

    def upper(self, modality: str) -> TemporalTransformer | None:
        """The trunk after the branch of ``modality``; None if a classifier follows at once."""
        raise NotImplementedError

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}``."""
        logits = {}
        for m, x in feats.items():
            upper = self.upper(m)
            logits[m] = self.heads[m](x.mean(1)) if upper is None else upper.classify(upper(x))
        return logits

    def layer_feats(self, inputs: dict[str, Tensor], layers: Sequence[int] | None = None) -> LayerFeats:
        """Features of all layers in one forward; see the base class."""
        chosen = self.chosen_layers(layers)
        feats = {}
        for m, x in self.given(inputs).items():
            states = self._states(m, x)[0]
            feats[m] = {k: states[k] for k in chosen}
        return feats

    def attention_maps(self, inputs: dict[str, Tensor], pre_norm: bool = False) -> dict[str, Tensor]:
        """Attention weights of every block; see the base class."""
        maps = {}
        for m, x in self.given(inputs).items():
            found = [weights for trunk, states in self._states(m, x)[1] for weights in trunk.maps(states, pre_norm)]
            maps.update({f'{m}.{i}': weights for i, weights in enumerate(found)})
        return maps

    def _states(self, m: str, x: Tensor) -> tuple[list[Tensor], list[tuple[TemporalTransformer, list[Tensor]]]]:
        """Features of the layers of one modality, logits last, and the states of each trunk."""
        branch, upper = self.branches[m], self.upper(m)
        states, passed = [], []
        if self.specific_depth:
            states = branch.states(x)
            passed.append((branch, states))
            x = states[-1]
        else:
            x = branch(x)
        if upper is None:
            return [*states, self.heads[m](x.mean(1))], passed
        above = upper.states(x)
        passed.append((upper, above))
        # The layer between the two parts is the output of the branch, not what the upper part embeds it to.
        return [*states, *(above[1:] if states else above), upper.classify(above[-1])], passed


@MODELS.register_module()
class UAVM(LateFusionTransformer):
    """Unified audio-visual model (`UAVM <https://arxiv.org/abs/2208.00061>`_, IEEE Signal Processing Letters 2022).

    After a branch for each modality come transformer blocks that both modalities share, and one classifier. With
    ``shared_depth=0`` nothing is shared: each modality has ``specific_depth`` blocks and a classifier, the published
    modality-independent model for ``specific_depth=6``.

    See :class:`FeatureTransformer` for the arguments.

    Example:
        >>> model = MODELS.build(dict(type='UAVM', num_classes=309, channels=64, in_channels=64))
        >>> model(dict(audio=torch.rand(2, 30, 64), visual=torch.rand(2, 30, 64))).shape
        torch.Size([2, 309])
    """

    def build_upper(self) -> None:
        """The shared trunk, or a classifier for each modality."""
        self.shared = self.upper_trunk() if self.shared_depth else None
        self.heads = None if self.shared_depth else self.own_heads()

    def upper(self, modality: str) -> TemporalTransformer | None:
        """The shared trunk."""
        return self.shared


@MODELS.register_module()
class ModalityIndependentTransformer(LateFusionTransformer):
    """Two transformers of the shape of :class:`UAVM` that share nothing.

    Each modality has a branch, a second trunk of ``shared_depth`` blocks, and a classifier. The published checkpoints
    of the modality-independent model are not of this one, but of :class:`UAVM` with ``shared_depth=0``.

    See :class:`FeatureTransformer` for the arguments.
    """

    def build_upper(self) -> None:
        """A second trunk, or a classifier, for each modality."""
        self.uppers = nn.ModuleDict({m: self.upper_trunk() for m in self.modalities}) if self.shared_depth else None
        self.heads = None if self.shared_depth else self.own_heads()

    def upper(self, modality: str) -> TemporalTransformer | None:
        """The second trunk of ``modality``."""
        return None if self.uppers is None else self.uppers[modality]
