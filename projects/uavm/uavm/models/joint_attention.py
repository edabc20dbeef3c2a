"""Attention over the steps of both modalities at once."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.uavm.uavm.models.base import FeatureTransformer, LayerFeats


@MODELS.register_module()
class CrossModalityTransformer(FeatureTransformer):
    """Cross-modality attention, a baseline of `UAVM <https://arxiv.org/abs/2208.00061>`_.

    The outputs of the branches follow one another in time, audio first, and pass together through ``shared_depth``
    blocks with 2T positions and one classifier. It needs both modalities, and has one answer: the published table
    repeats it in the columns of the single modalities.

    Args:
        sub_positions: Let a modality pass the joint part alone, at the positions that it has in the sequence of both:
            for :meth:`unimodal_logits`, for the upper layers of :meth:`layer_feats` by modality, and for
            ``unimodal_scores`` in the predictions. There was no training for this.
        **kwargs: See :class:`FeatureTransformer`.
    """

    joint_step = True

    def __init__(self, *args, sub_positions: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        self.sub_positions = sub_positions

    def build_upper(self) -> None:
        """The trunk over both modalities. Without one, classifiers are there that only checkpoints know."""
        self.shared = self.upper_trunk(2 * self.num_steps) if self.shared_depth else None
        self.heads = None if self.shared_depth else self.own_heads()

    def unused_parameters(self) -> dict:
        """Parameters by name that no output depends on; the classifiers of a model without joint part are of these."""
        unused = super().unused_parameters()
        heads = {} if self.heads is None else {f'heads.{n}': p for n, p in self.heads.named_parameters()}
        return {**unused, **heads}

    def unimodal_head(self, modality: str) -> None:
        """None: no classifier is for one modality."""
        return None

    def tokens(self, feats: Feats) -> Tensor:
        """Steps of both modalities in a row ``(B, 2T, D)``.

        Raises:
            ConfigError: If one of the modalities is missing.
        """
        missing = [m for m in self.modalities if m not in feats]
        if missing:
            raise ConfigError(f'{type(self).__name__} attends over both modalities; {missing[0]} is missing')
        return torch.cat([feats[m] for m in self.modalities], 1)

    def fuse(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)``.

        Raises:
            ConfigError: If the model has no joint part.
        """
        self._check_joint()
        return self.shared.classify(self.shared(self.tokens(feats)))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}`` of the modalities alone, with ``sub_positions``.

        Raises:
            ConfigError: Without ``sub_positions``.
        """
        self._check_joint()
        self._check_alone()
        return {m: self.shared.classify(self.shared(x, self._first_step(m))) for m, x in feats.items()}

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The loss of the joint logits."""
        feats = self.extract_feat(inputs)
        logits = self.fuse(feats)
        labels = self.targets(data_samples, logits.device)
        return self.finish_step(feats, logits, labels, {'loss': self.loss_fn(logits, labels)}, data_samples)

    def all_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{'joint': (B, C)}``; with ``sub_positions``, what each modality says alone under its name."""
        return {'joint': self.fuse(feats), **(self.unimodal_logits(feats) if self.sub_positions else {})}

    def layer_feats(self, inputs: dict[str, Tensor], layers: Sequence[int] | None = None) -> LayerFeats:
        """Features of all layers in one forward.

        The layers of the branches are there for each modality, those above and the logits under ``'joint'``, with 2T
        steps. With ``sub_positions``, each modality also passes the upper layers alone.

        Args:
            inputs: As :meth:`forward` takes them.
            layers: Numbers of the layers to give *for each modality*; by default all that the model has.

        Raises:
            ConfigError: If a layer above the branches is asked for without ``sub_positions``.
        """
        chosen = self.chosen_layers(layers, None if self.sub_positions else self._top)
        if any(k > self._top for k in chosen):
            self._check_joint()
            self._check_alone()
        feats: LayerFeats = {}
        outputs = {}
        for m, x in self.given(inputs).items():
            states = self.branches[m].states(x) if self.specific_depth else []
            outputs[m] = states[-1] if states else self.branches[m](x)
            if any(k > self._top for k in chosen):
                above = self.shared.states(outputs[m], self._first_step(m))
                states = [*states, *(above[1:] if states else above), self.shared.classify(above[-1])]
            feats[m] = {k: states[k] for k in chosen}
        if self.shared is not None and layers is None:
            joint = self.shared.states(self.tokens(outputs))
            first = self.specific_depth
            feats['joint'] = {first + k: x for k, x in enumerate(joint) if first == 0 or k > 0}
            feats['joint'][self.depth + 1] = self.shared.classify(joint[-1])
        return feats

    def attention_maps(self, inputs: dict[str, Tensor], pre_norm: bool = False) -> dict[str, Tensor]:
        """Attention weights of every block: ``audio.0``, ... of the branches, ``joint.0``, ... ``(B, H, 2T, 2T)``."""
        maps, outputs = {}, {}
        for m, x in self.given(inputs).items():
            branch = self.branches[m]
            if not self.specific_depth:
                outputs[m] = branch(x)
                continue
            states = branch.states(x)
            outputs[m] = states[-1]
            maps.update({f'{m}.{i}': weights for i, weights in enumerate(branch.maps(states, pre_norm))})
        if self.shared is not None:
            states = self.shared.states(self.tokens(outputs))
            maps.update({f'joint.{i}': weights for i, weights in enumerate(self.shared.maps(states, pre_norm))})
        return maps

    @property
    def _top(self) -> int:
        """Highest layer of the branches; -1 if they are projections alone."""
        return self.specific_depth if self.specific_depth else -1

    def _first_step(self, modality: str) -> int:
        return self.num_steps * self.modalities.index(modality)

    def _check_joint(self) -> None:
        if self.shared is None:
            raise ConfigError(f'{type(self).__name__} with shared_depth=0 has no joint part and so no logits; set '
                              'shared_depth to 1 or more, or read the tokens')

    def _check_alone(self) -> None:
        if not self.sub_positions:
            raise ConfigError(f'the joint part of {type(self).__name__} has {2 * self.num_steps} positions for both '
                              'modalities together; set sub_positions=True to let a modality pass it alone')
