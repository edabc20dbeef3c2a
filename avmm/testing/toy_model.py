"""The smallest model that has everything a balancing method may ask for."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avmm.models.base import AVModel, Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample


class _ToyBranch(nn.Module):
    """A convolution over the last two axes, dropout, the mean over time and over a 2 x 2 grid of places."""

    def __init__(self, in_channels: int, width: int, dropout: float, batch_norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` or ``(B, C, T, H, W)`` to ``(B, 4 * width)``."""
        batch = len(x)
        if x.dim() == 5:
            x = x.transpose(1, 2).flatten(0, 1)
        x = self.dropout(torch.relu(self.norm(self.conv(x))))
        x = x.reshape(batch, -1, *x.shape[1:]).mean(1)
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


@MODELS.register_module()
class ToyAVModel(AVModel):
    """Two tiny convolutional branches and one linear classifier over their concatenation.

    What a modality says alone is its share of the classifier: its columns of the weight and an equal part of the bias.

    Args:
        num_classes: Number of classes.
        width: Channels of a branch.
        dropout: Probability of dropout in each branch.
        batch_norm: Whether a branch normalises.
        modalities: Names of the branches; ``audio`` has one input channel, every other one three.
        data_preprocessor: Config of the data preprocessor; by default one that only moves the batch.
    """

    def __init__(self, num_classes: int = 4, width: int = 8, dropout: float = 0.2, batch_norm: bool = False,
                 modalities: Sequence[str] = ('audio', 'visual'), data_preprocessor: dict | None = None):
        super().__init__(modalities=modalities,
                         data_preprocessor=data_preprocessor or dict(type='avmm.AVDataPreprocessor'))
        self.encoders = nn.ModuleDict({
            m: _ToyBranch(1 if m == 'audio' else 3, width, dropout, batch_norm) for m in self.modalities
        })
        self.classifier = nn.Linear(4 * width * len(self.modalities), num_classes)

    def branch(self, modality: str) -> nn.Module:
        """The encoder of ``modality``."""
        return self.encoders[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Encode into ``{modality: (B, 4 * width)}``."""
        return {m: self.encoders[m](inputs[m]) for m in self.modalities}

    def fuse(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)``."""
        return self.classifier(torch.cat([feats[m] for m in self.modalities], 1))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}``; they add up to the joint logits."""
        weights = self.classifier.weight.chunk(len(self.modalities), 1)
        bias = self.classifier.bias / len(self.modalities)
        return {m: nn.functional.linear(feats[m], w, bias) for m, w in zip(self.modalities, weights, strict=True)}

    def forward(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None = None,
                mode: str = 'tensor'):
        """Losses (``loss``), data samples with predictions (``predict``) or joint logits (``tensor``)."""
        feats = self.extract_feat(inputs)
        logits = self.fuse(feats)
        if mode == 'tensor':
            return logits
        if mode == 'loss':
            labels = torch.tensor([s.gt_label for s in data_samples], device=logits.device)
            losses = dict(loss_cls=nn.functional.cross_entropy(logits, labels))
            return self.finish_step(feats, logits, labels, losses, data_samples)
        alone = {m: v.softmax(-1) for m, v in self.unimodal_logits(feats).items()}
        for i, (sample, score) in enumerate(zip(data_samples, logits.softmax(-1), strict=True)):
            sample.set_pred_score(score).set_unimodal_scores({m: v[i] for m, v in alone.items()})
        return data_samples
