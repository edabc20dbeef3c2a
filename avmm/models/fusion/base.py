"""What every fusion module offers."""
from __future__ import annotations

from abc import abstractmethod

from mmengine.model import BaseModule
from torch import Tensor

from avmm.utils import ConfigError

Feats = dict[str, Tensor]


class Fusion(BaseModule):
    """Base of the modules that turn the features of each modality into joint logits.

    The way of the features has three parts, and a subclass overrides what it changes::

        feats {m: (B, D_m)} --transform--> feats' {m: (B, D'_m)} --joint_logits--> (B, C)
                                                          \\--split_logits--> {m: (B, C)}

    :meth:`unimodal_logits` says what each modality contributes alone. Unless a fusion is additive and knows better
    (:class:`ConcatFusion`, :class:`SumFusion`), it is the joint logits with the features of the other modalities set
    to zero. A modality that is absent from ``feats`` counts as zero features, so a model with one modality dropped
    gives exactly its unimodal answer of that rule.

    Args:
        in_channels: Width ``D_m`` of the features of each modality, in the order in which they are fused.
        num_classes: Number of classes C.
        init_cfg: Initialisation of mmengine. The layers keep torch's own by default; OGM-GE uses
            ``dict(type='Xavier', layer='Linear', distribution='normal', bias=0)``.
    """

    #: Number of modalities that the fusion is made for; None for any.
    arity: int | None = None

    def __init__(self, in_channels: dict[str, int], num_classes: int, init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        name = type(self).__name__
        if not in_channels:
            raise ConfigError(f'{name}: in_channels names no modality; give one width for each, '
                              "as in dict(audio=512, visual=512)")
        if self.arity is not None and len(in_channels) != self.arity:
            raise ConfigError(f'{name}: in_channels names {len(in_channels)} modalities ({", ".join(in_channels)}), '
                              f'but this fusion joins {self.arity}; use ConcatFusion or SumFusion')
        self.in_channels = dict(in_channels)
        self.num_classes = num_classes

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order in which they are fused."""
        return tuple(self.in_channels)

    @property
    def transformed_channels(self) -> dict[str, int]:
        """Widths ``D'_m`` of the transformed features; ``in_channels`` by default."""
        return self.in_channels

    def transform(self, feats: Feats) -> Feats:
        """Features after the modalities have seen each other, ``{m: (B, D'_m)}``; unchanged by default."""
        return feats

    @abstractmethod
    def joint_logits(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of transformed features."""

    def forward(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of ``{m: (B, D_m)}``."""
        return self.joint_logits(self.transform(self.complete(feats)))

    def unimodal_logits(self, feats: Feats) -> Feats:
        """``{m: (B, C)}`` for each modality of ``feats``: joint logits with the features of the others at zero."""
        return {m: self.joint_logits(self.transform(self.complete({m: feats[m]})))
                for m in self.modalities if m in feats}

    def extra_losses(self, feats: Feats) -> Feats:
        """Loss terms ``{name: ()}`` that the fusion itself asks for in training; none by default."""
        return {}

    def complete(self, feats: Feats) -> Feats:
        """The features in the order of the fusion, zeros ``(B, D_m)`` in place of an absent modality.

        Raises:
            ValueError: If ``feats`` holds a modality that the fusion does not know, or none at all.
        """
        self.require_known(feats)
        like = next(iter(feats.values()))
        return {m: feats[m] if m in feats else like.new_zeros(like.shape[0], width)
                for m, width in self.in_channels.items()}

    def require_known(self, feats: Feats) -> None:
        """Raise ValueError if ``feats`` holds a modality that the fusion does not know, or none at all."""
        if not feats or any(m not in self.in_channels for m in feats):
            got = ', '.join(feats) or 'nothing'
            raise ValueError(f'{type(self).__name__} fuses {", ".join(self.modalities)}; it was given {got}')

    def require_equal_widths(self) -> int:
        """The common width of the features.

        Raises:
            ConfigError: If the modalities differ in width.
        """
        widths = set(self.in_channels.values())
        if len(widths) > 1:
            shown = ', '.join(f'{m}={w}' for m, w in self.in_channels.items())
            raise ConfigError(f'{type(self).__name__}: in_channels are {shown}, but this fusion needs equal widths; '
                              'choose encoders of one width, or ConcatFusion')
        return widths.pop()

    def require_modality(self, option: str, value: str) -> str:
        """``value`` if it names a modality.

        Raises:
            ConfigError: If it does not; ``option`` is the argument to correct.
        """
        if value not in self.in_channels:
            raise ConfigError(f'{type(self).__name__}: {option}={value!r} is no modality of the model; '
                              f'use one of {", ".join(self.modalities)}')
        return value
