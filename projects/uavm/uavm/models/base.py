"""What the three models of UAVM share."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from avmm.models.base import AVModel, Feats
from avmm.models.losses.targets import batch_targets
from avmm.registry import LOSSES
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.uavm.uavm.models.trunk import TemporalTransformer, classifier, projection

#: ``{modality: {layer: features}}``; see :meth:`FeatureTransformer.layer_feats`.
LayerFeats = dict[str, dict[int, Tensor]]


class FeatureTransformer(AVModel):
    """Base of models that classify a clip by the features of its T steps, audio and visual.

    Each modality has a branch of its own: ``specific_depth`` transformer blocks, or a layer norm and a projection if
    that is 0. What follows is the affair of a subclass. A model trains on a modality alone, one drawn for each batch,
    or on both at once; the logits of both together are the mean of those that each modality gives.

    Args:
        num_classes: Number of classes C.
        specific_depth: Blocks of each modality alone.
        shared_depth: Blocks after them.
        channels: Width D of the branches.
        shared_channels: Width S of the blocks after them; D by default.
        num_heads: Heads of every attention.
        num_steps: Steps T of a clip.
        in_channels: Width of the features, a number or ``{modality: number}``.
        loss: Config of the loss, ``CrossEntropyLoss`` by default.
        scores: What predictions carry: ``'logits'``, on which the published numbers are measured, or
            ``'probabilities'``, the softmax of the logits (sigmoid for a multi-label loss).
        freeze_unused: Whether the tensors that are there for the sake of published checkpoints, and that no output
            depends on, take no part in training.
        data_preprocessor: Config; one that moves the batch to the device by default.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If an option makes no sense.
    """

    # A step sees one modality, or both one after the other.
    joint_step = False

    def __init__(self, num_classes: int, specific_depth: int = 3, shared_depth: int = 3, channels: int = 1024,
                 shared_channels: int | None = None, num_heads: int = 4, num_steps: int = 30,
                 in_channels: int | Mapping[str, int] = 1024, loss: dict | None = None, scores: str = 'logits',
                 freeze_unused: bool = True, data_preprocessor: dict | None = None, init_cfg: dict | None = None):
        super().__init__(('audio', 'visual'), data_preprocessor, init_cfg)
        name = type(self).__name__
        if min(specific_depth, shared_depth) < 0 or specific_depth + shared_depth == 0:
            raise ConfigError(f'{name}: specific_depth={specific_depth}, shared_depth={shared_depth}; it needs at '
                              'least one block, and no negative number')
        if scores not in ('logits', 'probabilities'):
            raise ConfigError(f"{name}.scores is {scores!r}; it must be 'logits' or 'probabilities'")
        widths = dict(in_channels) if isinstance(in_channels, Mapping) else dict.fromkeys(self.modalities, in_channels)
        if set(widths) != set(self.modalities):
            raise ConfigError(f'{name}.in_channels is for {", ".join(widths)}; name {" and ".join(self.modalities)}')
        self.num_classes, self.num_steps, self.scores = num_classes, num_steps, scores
        self.specific_depth, self.shared_depth = specific_depth, shared_depth
        self.channels, self.shared_channels, self.num_heads = channels, shared_channels or channels, num_heads
        self.branches = nn.ModuleDict({
            m: TemporalTransformer(width, channels, num_heads, specific_depth, num_steps, num_classes)
            if specific_depth else projection(width, channels) for m, width in widths.items()})
        self.heads = None
        self.build_upper()
        self.loss_fn = LOSSES.build(dict(loss or dict(type='CrossEntropyLoss')))
        self.multi_label = getattr(self.loss_fn, 'multi_label', False)
        if freeze_unused:
            for parameter in self.unused_parameters().values():
                parameter.requires_grad_(False)

    @abstractmethod
    def build_upper(self) -> None:
        """Make what follows the branches."""

    @property
    def depth(self) -> int:
        """Number of blocks that a modality passes through."""
        return self.specific_depth + self.shared_depth

    def upper_trunk(self, num_steps: int | None = None) -> TemporalTransformer:
        """A trunk of the upper part, which classifies."""
        return TemporalTransformer(self.channels, self.shared_channels, self.num_heads, self.shared_depth,
                                   num_steps or self.num_steps, self.num_classes, classifies=True)

    def own_heads(self) -> nn.ModuleDict:
        """A classifier for each modality, for models without an upper part."""
        return nn.ModuleDict({m: classifier(self.channels, self.num_classes) for m in self.modalities})

    def unused_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters by name that no output depends on."""
        trunks = [trunk for trunk in self.modules() if isinstance(trunk, TemporalTransformer)]
        unused = {id(p) for trunk in trunks for layer in trunk.unused for p in layer.parameters()}
        return {name: p for name, p in self.named_parameters() if id(p) in unused}

    def branch(self, modality: str) -> nn.Module:
        """The part of the model that ``modality`` has for itself, before the shared one."""
        return self.branches[modality]

    def unimodal_head(self, modality: str) -> nn.Module | None:
        """The classifier of ``modality`` alone, of a model without an upper part."""
        return None if self.heads is None else self.heads[modality]

    def given(self, inputs: dict[str, Tensor]) -> Feats:
        """The features of the inputs by modality, in the type of the parameters.

        Raises:
            ConfigError: If there are none.
            DataError: If they have another number of steps, or samples of one batch have different modalities.
        """
        if 'present' in inputs:
            raise DataError(f'some samples of the batch lack {" and ".join(inputs["present"])}; '
                            f'{type(self).__name__} takes a batch of one modality or of both')
        dtype = next(self.parameters()).dtype
        given = {m: inputs[m].to(dtype) for m in self.modalities if m in inputs}
        if not given:
            raise ConfigError(f'the inputs hold {sorted(inputs)}, the model reads {list(self.modalities)}')
        for m, x in given.items():
            if x.dim() != 3 or x.shape[1] != self.num_steps:
                raise DataError(f'the {m} features have the shape {tuple(x.shape)}, the model takes '
                                f'(B, {self.num_steps}, D); pad or cut the clips to num_steps={self.num_steps}')
        return given

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """``{modality: (B, T, D)}``, what the branches make of the modalities that are given."""
        return {m: self.branches[m](x) for m, x in self.given(inputs).items()}

    def fuse(self, feats: Feats) -> Tensor:
        """Logits ``(B, C)``: the mean of those of the modalities."""
        logits = list(self.unimodal_logits(feats).values())
        return logits[0] if len(logits) == 1 else torch.stack(logits).mean(0)

    def forward(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[AVDataSample]:
        """Run the model.

        Args:
            inputs: ``{'audio': (B, T, D_a), 'visual': (B, T, D_v)}``, or one of them.
            data_samples: The samples, needed by ``'loss'`` and ``'predict'``.
            mode: ``'tensor'`` gives :meth:`fuse`, ``'loss'`` a dict of scalar losses, ``'predict'`` the samples with
                their scores.
        """
        if mode == 'tensor':
            return self.fuse(self.extract_feat(inputs))
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ConfigError(f"mode is {mode!r}; it must be 'tensor', 'loss' or 'predict'")

    def targets(self, data_samples: list[AVDataSample], device: torch.device) -> Tensor:
        """Target scores ``(B, C)`` where the samples carry them, class indices ``(B,)`` otherwise."""
        stacked = getattr(data_samples, 'target', None)
        if stacked is not None:
            return stacked.to(device, non_blocking=True)
        return batch_targets(data_samples, self.num_classes, self.multi_label, device)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """``loss_audio``, ``loss_visual``: the loss of the modality that is given, or half the loss of each of two."""
        feats = self.extract_feat(inputs)
        logits = self.unimodal_logits(feats)
        labels = self.targets(data_samples, next(iter(logits.values())).device)
        losses = {f'loss_{m}': self.loss_fn(z, labels) for m, z in logits.items()}
        if len(losses) > 1:
            losses = {name: value / len(losses) for name, value in losses.items()}
        return self.finish_step(feats, None, labels, losses, data_samples)

    def all_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{'joint': (B, C)}``, and what each modality says alone under its name."""
        alone = self.unimodal_logits(feats)
        return {'joint': sum(alone.values()) / len(alone), **alone}

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``joint_scores`` and ``<modality>_scores``, ``(B, C)`` each; see :attr:`scores`."""
        found = self.all_logits(self.extract_feat(inputs))
        return {f'{name}_scores': self.to_scores(z) for name, z in found.items()}

    def predict(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> list[AVDataSample]:
        """Add ``pred_score`` of both modalities, and ``unimodal_scores`` of each if it says something alone."""
        scores = {name: self.to_scores(z) for name, z in self.all_logits(self.extract_feat(inputs)).items()}
        joint = scores.pop('joint')
        for i, sample in enumerate(data_samples):
            sample.set_pred_score(joint[i])
            if scores:
                sample.set_unimodal_scores({m: z[i] for m, z in scores.items()})
        return data_samples

    def to_scores(self, logits: Tensor) -> Tensor:
        """Logits as what :attr:`scores` says, in float32 at least."""
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        if self.scores == 'logits':
            return logits
        return logits.sigmoid() if self.multi_label else logits.softmax(-1)

    @abstractmethod
    def layer_feats(self, inputs: dict[str, Tensor], layers: Sequence[int] | None = None) -> LayerFeats:
        """Features of all layers in one forward.

        Args:
            inputs: As :meth:`forward` takes them.
            layers: Numbers of the layers to give: 0 is the projected input with its positions, k the output of block
                k, and one more than there are blocks the logits. All by default.

        Returns:
            ``{modality: {layer: (B, T, D)}}``, or ``(B, T, S)`` above the branches, ``(B, C)`` for the logits.

        Raises:
            ConfigError: If there is no such layer.
        """

    @abstractmethod
    def attention_maps(self, inputs: dict[str, Tensor], pre_norm: bool = False) -> dict[str, Tensor]:
        """Attention weights ``(B, H, T, T)`` of every block, called ``<modality>.<block>``.

        Args:
            inputs: As :meth:`forward` takes them.
            pre_norm: Whether they are those that the blocks use; see :meth:`TemporalTransformer.maps`.
        """

    def chosen_layers(self, layers: Sequence[int] | None, top: int | None = None) -> list[int]:
        """The numbers of ``layers``, or of all up to ``top``.

        Raises:
            ConfigError: If there is no such layer.
        """
        last = self.depth + 1
        chosen = list(range((last if top is None else top) + 1)) if layers is None else list(layers)
        wrong = [k for k in chosen if not 0 <= k <= last]
        if wrong:
            raise ConfigError(f'{type(self).__name__} has the layers 0 (input) to {last} (logits); there is no '
                              f'layer {wrong[0]}')
        return chosen
