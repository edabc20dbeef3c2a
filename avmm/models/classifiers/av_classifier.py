"""One encoder a modality, a fusion, a loss: the audio-visual classifier."""
from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from avmm.models.base import AVModel, Feats
from avmm.models.classifiers.steps import fold_steps, over_steps
from avmm.models.losses.targets import batch_targets
from avmm.registry import LOSSES, MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError


@MODELS.register_module()
class AVClassifier(AVModel):
    """Classifier with a branch for each modality.

    A model of one modality is the same class with one encoder: the fusion is then a linear head.

    A modality that a batch lacks is left to the fusion, which takes zeros for its features; where only some samples
    lack it, their rows are zeros. The predictions of such samples carry no unimodal score for it.

    Args:
        encoders: ``{modality: config}``; each encoder has ``out_channels`` and gives pooled features ``(B, D)``.
        fusion: Config of a :class:`~avmm.models.fusion.base.Fusion`; channels and classes are filled in.
        num_classes: Number of classes C.
        loss: Config of the loss of the joint logits. ``BCELoss`` and other losses with ``multi_label = True`` make
            the predictions sigmoid scores instead of a softmax.
        heads: Give each modality a linear classifier of its own on its (transformed) features, for methods that
            compare what the modalities say alone. The heads learn only if a term of the objective uses them.
        only: Train and predict with this modality alone, through its head. The whole model is there, so that the
            checkpoint of both modalities loads, and the rest of it stays as it is. Needs ``heads``.
        unimodal_scores: What the predictions carry for each modality: ``'heads'``, or ``'split'``, the logits that
            the fusion attributes to it. Without heads it is the latter.
        data_preprocessor: Config; :class:`AVDataPreprocessor` by default.
        init_cfg: Initialisation of mmengine.

    Example:
        >>> model = MODELS.build(dict(
        ...     type='AVClassifier', num_classes=10, fusion=dict(type='ConcatFusion'),
        ...     encoders=dict(audio=dict(type='SmallConvNet', in_channels=1),
        ...                   visual=dict(type='SmallConvNet', in_channels=3))))
        >>> model(dict(audio=torch.rand(2, 1, 64, 64), visual=torch.rand(2, 3, 1, 32, 32))).shape
        torch.Size([2, 10])
    """

    def __init__(self, encoders: dict[str, dict], fusion: dict, num_classes: int, loss: dict | None = None,
                 heads: bool = False, only: str | None = None, unimodal_scores: str = 'heads',
                 data_preprocessor: dict | None = None, init_cfg: dict | None = None):
        if not encoders:
            raise ConfigError('AVClassifier.encoders is empty; name at least one modality')
        if only is not None and (only not in encoders or not heads):
            raise ConfigError(f'AVClassifier: only={only!r} needs heads=True and one of the modalities '
                              f'{", ".join(encoders)}')
        if unimodal_scores not in ('heads', 'split'):
            raise ConfigError(f"AVClassifier: unimodal_scores={unimodal_scores!r} is unknown; use 'heads' or 'split'")
        modalities = tuple(encoders) if only is None else (only, )
        super().__init__(modalities, data_preprocessor or dict(type='AVDataPreprocessor'), init_cfg)
        self.num_classes = num_classes
        self.encoders = nn.ModuleDict({m: MODELS.build(dict(cfg)) for m, cfg in encoders.items()})
        self.feature_channels = {m: encoder.out_channels for m, encoder in self.encoders.items()}
        self.fusion = MODELS.build(dict(fusion, in_channels=self.feature_channels, num_classes=num_classes))
        self.only, self.unimodal_scores = only, unimodal_scores
        self.heads = nn.ModuleDict({m: nn.Linear(width, num_classes)
                                    for m, width in self.fusion.transformed_channels.items()}) if heads else None
        if only is not None:
            # What is not used takes no part in weight decay, nor in the reductions of several ranks.
            used = (f'encoders.{only}.', f'heads.{only}.')
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and name.startswith(used))
        self.loss_fn = LOSSES.build(dict(loss or dict(type='CrossEntropyLoss')))
        self.multi_label = getattr(self.loss_fn, 'multi_label', False)

    def branch(self, modality: str) -> nn.Module:
        """The encoder of ``modality``."""
        return self.encoders[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Encode what is there, ``{modality: (B, D)}``; rows of samples that lack the modality are zeros.

        Spiking encoders may give the features of each of S time steps, ``(B, S, D)``. All other methods take either,
        and average what they compute over the steps.

        Raises:
            ConfigError: If the inputs hold none of the model's modalities.
        """
        given = [m for m in self.modalities if m in inputs]
        if not given:
            raise ConfigError(f'the inputs hold {sorted(inputs)}, the model encodes {list(self.modalities)}')
        present = inputs.get('present', {})
        return {m: _spread(self.encoders[m](inputs[m]), present.get(m)) for m in given}

    def fuse(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)``; with ``only``, those of the head of this modality."""
        if self.only is not None:
            return self.head_logits(feats)[self.only]
        return over_steps(self.fusion, feats)

    def fused_feats(self, feats: Feats) -> Feats:
        """The features as the fusion transforms them, ``{m: (B, D'_m)}``."""
        if self.only is not None:
            return over_steps(dict, feats)
        return over_steps(lambda f: self.fusion.transform(self.fusion.complete(f)), feats)

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}`` as the fusion defines it."""
        return self.head_logits(feats) if self.only is not None else over_steps(self.fusion.unimodal_logits, feats)

    def unimodal_head(self, modality: str) -> nn.Module | None:
        """The classifier that ``modality`` has for itself, if ``heads`` asked for one."""
        return self.heads[modality] if self.heads is not None else None

    def head_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}`` of the heads, on the transformed features; the unimodal logits without heads."""
        if self.heads is None:
            return self.unimodal_logits(feats)
        fused = self.fused_feats(feats)
        return {m: self.heads[m](fused[m]) for m in feats}

    def forward(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[AVDataSample]:
        """Run the model.

        Args:
            inputs: ``{'audio': (B, 1, F, T), 'visual': (B, 3, T, H, W)}``, either or both.
            data_samples: The samples, needed by ``'loss'`` and ``'predict'``.
            mode: ``'tensor'`` gives joint logits ``(B, C)``, ``'loss'`` a dict of scalar losses, ``'predict'`` the
                samples with their scores.

        Raises:
            DataError: If the samples of the batch have inputs of unequal shapes; the odd one is named.
        """
        _refuse_unequal(inputs, data_samples)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        feats = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.fuse(feats)
        if mode == 'predict':
            return self.predict(feats, inputs, data_samples)
        raise ConfigError(f"mode is {mode!r}; it must be 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The loss of the joint logits, and what balancing hooks add to it."""
        feats = self.extract_feat(inputs)
        logits = self.fuse(feats)
        labels = self.targets(data_samples, logits.device)
        losses = {'loss': self.loss_fn(logits, labels), **self._extra_losses(feats)}
        return self.finish_step(feats, logits, labels, losses, data_samples)

    def _extra_losses(self, feats: Feats) -> dict[str, Tensor]:
        return {} if self.only is not None else self.fusion.extra_losses(fold_steps(feats)[0])

    def targets(self, data_samples: list[AVDataSample], device: torch.device) -> Tensor:
        """Target scores ``(B, C)`` where the samples carry them, class indices ``(B,)`` otherwise."""
        return batch_targets(data_samples, self.num_classes, self.multi_label, device)

    def scores(self, feats: Feats) -> dict[str, Tensor]:
        """Probabilities ``{'joint': (B, C), modality: (B, C)}``: a softmax, or sigmoids where labels are several."""
        to_scores = torch.sigmoid if self.multi_label else (lambda x: x.softmax(-1))
        alone = self.head_logits(feats) if self.unimodal_scores == 'heads' else self.unimodal_logits(feats)
        return {name: to_scores(z.float()) for name, z in dict(joint=self.fuse(feats), **alone).items()}

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``joint_scores`` and ``<modality>_scores``, ``(B, C)`` each; see :meth:`scores`."""
        return {f'{name}_scores': values for name, values in self.scores(self.extract_feat(inputs)).items()}

    def predict(self, feats: Feats, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> list[AVDataSample]:
        """Add joint and unimodal scores to the samples."""
        alone = self.scores(feats)
        joint = alone.pop('joint')
        present = {m: rows.tolist() for m, rows in inputs.get('present', {}).items()}
        for i, sample in enumerate(data_samples):
            sample.set_pred_score(joint[i])
            sample.set_unimodal_scores({m: z[i] for m, z in alone.items() if m not in present or present[m][i]})
        return data_samples


def _refuse_unequal(inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None) -> None:
    """Name a sample whose input has another shape than most of its batch; such inputs come as a list."""
    for name, values in inputs.items():
        if not isinstance(values, list):
            continue
        shapes = [tuple(value.shape) for value in values]
        usual = Counter(shapes).most_common(1)[0][0]
        odd = next(i for i, shape in enumerate(shapes) if shape != usual or len(set(shapes)) == 1)
        rows = inputs.get('present', {}).get(name)
        place = odd if rows is None else int(rows.nonzero()[odd])
        who = data_samples[place].get('sample_id', place) if data_samples else place
        raise DataError(f'sample {who}: its {name} input has the shape {shapes[odd]}, others of the batch have '
                        f'{usual}; let the pipeline bring all clips to one length and size')


def _spread(feat: Tensor, rows: Tensor | None) -> Tensor:
    """Put the features ``(rows.sum(), ...)`` of the samples that have the modality into their rows of ``(B, ...)``."""
    if rows is None:
        return feat
    places = rows.view(-1, *[1] * (feat.dim() - 1))
    return feat.new_zeros(len(rows), *feat.shape[1:]).masked_scatter(places, feat)
