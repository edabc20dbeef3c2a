"""What the parts of the adapter of ``inverse_balance`` share: building, batches, schedules, seeded noise."""
from __future__ import annotations

import warnings

import golden
import numpy as np
import torch
from torch import Tensor, nn

from avmm.datasets.transforms import PackAVInputs
from avmm.models.fusion import LateFusion, classifier_to_official, fusion_from_official
from avmm.registry import MODELS, PARAM_SCHEDULERS

Arrays = dict[str, np.ndarray]

# Official names of the fusions.
FUSIONS = {
    'concat': dict(type='ConcatFusion'),
    'sum': dict(type='SumFusion'),
    'film': dict(type='FiLMFusion', condition='audio'),
    'film_v': dict(type='FiLMFusion', condition='visual'),
    'gated': dict(type='GatedFusion', gate='audio'),
    'gated_v': dict(type='GatedFusion', gate='visual'),
    'identical': dict(type='LateFusion'),
    'avattn': dict(type='AttentionFusion'),
}


def build_fusion(options: dict, in_channels: dict[str, int], state: dict[str, Tensor]) -> nn.Module:
    """The fusion that the options name, with official weights."""
    module = MODELS.build(dict(FUSIONS[options['fusion']], in_channels=in_channels,
                               num_classes=options['num_classes']))
    module.load_state_dict(fusion_from_official(state, module))
    return module


def fusion_outputs(module: nn.Module, feats: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the official modules return: features of both modalities and joint logits.

    ``identical`` returns the logits of each modality, and no joint ones.
    """
    if isinstance(module, LateFusion):
        return *module.unimodal_logits(feats).values(), None
    return *module.transform(feats).values(), module(feats)


class SeededNoise:
    """The noise of the recorded steps: one seeded array for each update and official parameter name."""

    def __init__(self, net: nn.Module, seed: int):
        official = classifier_to_official({name: name for name, _ in net.named_parameters()}, net.fusion)
        self.official = {ours: theirs for theirs, ours in official.items()}
        self.seed = seed
        self.updates: dict[str, int] = {}

    def __call__(self, name: str, like: Tensor) -> Tensor:
        update = self.updates[name] = self.updates.get(name, -1) + 1
        drawn = golden.array(f'noise.{update}.{self.official[name]}', tuple(like.shape), self.seed)
        return torch.as_tensor(drawn).to(like)


def set_epoch_of_schedule(optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Bring the learning rate to that of ``epoch``: a tenth after each 70."""
    schedule = PARAM_SCHEDULERS.build(dict(type='StepLR', optimizer=optimizer, step_size=70, gamma=0.1))
    with warnings.catch_warnings():
        # No step of the optimiser comes before these of the schedule.
        warnings.simplefilter('ignore', UserWarning)
        for _ in range(epoch):
            schedule.step()


def as_clip(modality: str, values: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Official inputs as a batch: spectrograms ``(B, F, T)`` get their channel."""
    clip = torch.as_tensor(values).to(dtype)
    return clip.unsqueeze(1) if modality == 'audio' and clip.dim() == 3 else clip


def as_batch(inputs: Arrays, i: int, modalities: tuple[str, ...], dtype: torch.dtype) -> dict:
    """Batch ``i`` of a trajectory, as the data loader gives it."""
    clips = {m: as_clip(m, inputs[f'{m}.{i}'], dtype) for m in modalities}
    pack = PackAVInputs(keys=())
    samples = [pack(dict(sample_id=f'{i}.{k}', gt_label=int(y)))['data_samples']
               for k, y in enumerate(inputs[f'label.{i}'])]
    return dict(inputs=clips, data_samples=samples)


def norms(tensors: dict[str, Tensor | None], names: list[str]) -> np.ndarray:
    """Euclidean norms of some tensors; 0 where there is none."""
    return np.array([0.0 if tensors.get(name) is None else float(tensors[name].double().norm()) for name in names])
