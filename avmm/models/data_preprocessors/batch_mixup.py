"""Mixup of whole batches."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError


@MODELS.register_module()
class BatchMixup:
    r"""Mix every sample of a batch with another one.

    .. math:: \tilde{x} = \lambda x_i + (1 - \lambda) x_j, \quad \tilde{y} = \lambda y_i + (1 - \lambda) y_j,
              \quad \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    with one :math:`\lambda` a batch, and the same partner in every modality. Source: "mixup: Beyond Empirical Risk
    Minimization" (Zhang et al., 2018), section 2. The draws come from torch's CPU generator, which checkpoints keep.

    The mixed targets are set on the data samples as ``gt_score``. A batch in which some samples lack a modality has
    rows that cannot be paired; it keeps its inputs and gets plain targets.

    Args:
        num_classes: Number of classes C.
        alpha: Parameter of the Beta distribution.
        prob: Probability that a batch is mixed.
    """

    def __init__(self, num_classes: int, alpha: float = 0.2, prob: float = 1.0):
        if alpha <= 0:
            raise ConfigError(f'BatchMixup.alpha must be above 0, got {alpha}')
        if not 0 <= prob <= 1:
            raise ConfigError(f'BatchMixup.prob must lie in 0 to 1, got {prob}')
        self.num_classes = num_classes
        self.prob = prob
        self._beta = torch.distributions.Beta(torch.tensor(float(alpha)), torch.tensor(float(alpha)))

    def __call__(self, inputs: dict, samples: list[AVDataSample]) -> tuple[dict, list[AVDataSample]]:
        """Mix ``{modality: (B, ...)}`` and set targets ``(C,)`` on the samples."""
        weight, partner = self._beta.sample().item(), torch.randperm(len(samples))
        scores = self.targets(samples)
        if torch.rand(()).item() < self.prob and 'present' not in inputs:
            scores = torch.lerp(scores[partner], scores, weight)
            inputs = {name: self._mix(name, value, weight, partner) for name, value in inputs.items()}
        for sample, score in zip(samples, scores, strict=True):
            sample.set_gt_score(score)
        return inputs, samples

    def targets(self, samples: list[AVDataSample]) -> Tensor:
        """Target scores ``(B, C)``: those of the samples, or ones at their labels."""
        scores = torch.zeros(len(samples), self.num_classes)
        for row, sample in zip(scores, samples, strict=True):
            if 'gt_score' in sample:
                row.copy_(sample.gt_score)
            else:
                row[torch.as_tensor(sample.gt_label)] = 1
        return scores

    @staticmethod
    def _mix(name: str, value: Tensor, weight: float, partner: Tensor) -> Tensor:
        if not torch.is_tensor(value):
            raise ConfigError(f'BatchMixup needs samples of one shape, those of {name} differ; crop or pad them')
        return torch.lerp(value[partner.to(value.device)], value, weight)
