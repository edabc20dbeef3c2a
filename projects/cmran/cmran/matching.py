"""Which sound belongs to which picture: the cross-modality matching network of AVE."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from avmm.models.base import AVModel, Feats
from avmm.registry import LOSSES, MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError

#: Slope below zero of the leaky units, the default of Keras.
_SLOPE = 0.3
#: Squared distances are no smaller than this, so that their root has a slope.
_SMALLEST = 1e-7


@MODELS.register_module()
class CrossModalMatching(AVModel):
    r"""Two small networks whose outputs are near for a sound and a picture of one event.

    AVDLN of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018), with the embeddings x of the
    picture and y of the sound of a segment:

    .. math:: d = \sqrt{\max(\textstyle\sum_k (x_k - y_k)^2, 10^{-7})}

    Each branch is a linear layer, a leaky unit of slope 0.3 and another linear layer; Glorot uniform weights, zero
    biases. In training, the segments of both modalities are paired in order. Predictions carry ``pred_distance``
    ``(S, S)``, every picture (row) to every sound (column), in which metrics search the event.

    A distance takes both modalities, so there are no joint logits of classes and none of one modality alone:
    balancing methods that need them refuse this model.

    Args:
        in_channels: ``{modality: width}`` of the features.
        hidden: Width of the layer between.
        channels: Width of the embeddings.
        loss: Config of the loss of distances against 0 or 1.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation of mmengine.

    Example:
        >>> model = MODELS.build(dict(type='CrossModalMatching'))
        >>> model(dict(audio=torch.rand(2, 10, 128), visual=torch.rand(2, 10, 512))).shape
        torch.Size([2, 10])
    """

    joint_step = False

    def __init__(self, in_channels: dict[str, int] | None = None, hidden: int = 128, channels: int = 64,
                 loss: dict | None = None, data_preprocessor: dict | None = None, init_cfg: dict | None = None):
        super().__init__(('audio', 'visual'), data_preprocessor, init_cfg)
        widths = dict(audio=128, visual=512) if in_channels is None else dict(in_channels)
        if set(widths) != set(self.modalities):
            raise ConfigError(f'CrossModalMatching.in_channels names {sorted(widths)}; it must name audio and visual')
        self.branches = nn.ModuleDict({
            m: nn.Sequential(nn.Linear(widths[m], hidden), nn.LeakyReLU(_SLOPE), nn.Linear(hidden, channels))
            for m in self.modalities})
        for layer in self.branches.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.loss_fn = LOSSES.build(dict(loss or dict(type='ContrastiveLoss', margin=2.0)))

    def branch(self, modality: str) -> nn.Module:
        """The network of ``modality``."""
        return self.branches[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Embeddings ``{m: (B, S, channels)}`` of features ``{m: (B, S, D_m)}``.

        Raises:
            ConfigError: If the features have another width.
        """
        feats = {}
        for m in self.modalities:
            first = self.branches[m][0]
            if inputs[m].dim() != 3 or inputs[m].shape[-1] != first.in_features:
                raise ConfigError(f'CrossModalMatching reads {m} features (B, S, {first.in_features}), got '
                                  f'{tuple(inputs[m].shape)}; maps have to be averaged over their cells')
            feats[m] = self.branches[m](inputs[m].to(first.weight.dtype))
        return feats

    def fuse(self, feats: Feats) -> Tensor:
        """Distances ``(B, S)`` of segments that are paired in order."""
        return _distance(feats['visual'], feats['audio'])

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """Refused: a distance says nothing about one modality.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError('CrossModalMatching has no logits of one modality: a distance takes both; balance it with '
                          'a method that acts on gradients alone, such as MSLR')

    def forward(self, inputs: dict[str, Tensor], data_samples: Sequence[AVDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | Sequence[AVDataSample]:
        """Run the model.

        Args:
            inputs: ``{'audio': (B, S, D_a), 'visual': (B, S, D_v)}``.
            data_samples: The samples, needed by ``'loss'``, which reads ``gt_mask``, and ``'predict'``.
            mode: ``'tensor'`` gives :meth:`fuse`, ``'loss'`` a dict of scalar losses, ``'predict'`` the samples with
                ``pred_distance``.
        """
        feats = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.fuse(feats)
        if mode == 'loss':
            labels = self.targets(data_samples, feats['audio'].device)
            return self.finish_step(feats, None, labels, dict(loss=self.loss_fn(self.fuse(feats), labels)),
                                    data_samples)
        if mode == 'predict':
            for sample, distance in zip(data_samples, self.distances(feats), strict=True):
                sample.set_field(distance, 'pred_distance', field_type='data')
            return data_samples
        raise ConfigError(f"mode is {mode!r}; it must be 'tensor', 'loss' or 'predict'")

    def distances(self, feats: Feats) -> Tensor:
        """Distance of every picture (row) to every sound (column), ``(B, S, S)``."""
        return _distance(feats['visual'].unsqueeze(2), feats['audio'].unsqueeze(1))

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``distances`` ``(B, S, S)``."""
        return dict(distances=self.distances(self.extract_feat(inputs)))

    def targets(self, data_samples: Sequence[AVDataSample], device: torch.device) -> Tensor:
        """1 where the event is heard and seen, ``(B, S)``.

        Raises:
            DataError: If a sample has no ``gt_mask``.
        """
        for sample in data_samples:
            if 'gt_mask' not in sample:
                raise DataError(f'sample {sample.get("sample_id", "?")} has no gt_mask; use the matching setting of '
                                'the data set')
        return torch.from_numpy(np.stack([s.gt_mask for s in data_samples])).to(device, non_blocking=True)


def _distance(visual: Tensor, audio: Tensor) -> Tensor:
    return (visual - audio).square().sum(-1).clamp(min=_SMALLEST).sqrt()
