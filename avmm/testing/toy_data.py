"""An audio-visual data set that lives in memory."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from avmm.datasets.samplers.base import sample_rng
from avmm.registry import DATASETS
from avmm.structures import AVDataSample


@DATASETS.register_module()
class ToyAVDataset(Dataset):
    """Noisy class prototypes, one for each modality: learnable in a few iterations, no file involved.

    A sample is ``{'inputs': {'audio': (1, F, T), 'visual': (3, T, H, W)}, 'data_samples': AVDataSample}``; its noise
    comes from the generator that belongs to (seed, epoch, position) of the index, as in every data set of AVMM.

    Args:
        length: Number of samples.
        num_classes: Number of classes; sample ``i`` has class ``i % num_classes``.
        modalities: Modalities that a sample has.
        audio_shape: Shape of a spectrogram ``(1, F, T)``.
        visual_shape: Shape of the frames ``(3, T, H, W)``.
        noise: Standard deviation of the noise; the prototypes have 1.
        poison: Indices whose audio is not a number, to test what happens then.
        seed: Seed of the prototypes.
    """

    def __init__(self, length: int = 32, num_classes: int = 4, modalities: Sequence[str] = ('audio', 'visual'),
                 audio_shape: Sequence[int] = (1, 8, 8), visual_shape: Sequence[int] = (3, 2, 8, 8),
                 noise: float = 0.5, poison: Sequence[int] = (), seed: int = 0):
        self.length, self.noise, self.poison = length, noise, frozenset(poison)
        self.metainfo = dict(classes=tuple(f'class_{c}' for c in range(num_classes)), dataset='ToyAVDataset')
        shapes = dict(audio=tuple(audio_shape), visual=tuple(visual_shape))
        rng = np.random.default_rng(seed)
        self.prototypes = {
            m: rng.standard_normal((num_classes, *shapes[m]), dtype=np.float32) for m in modalities
        }

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        num_classes = len(self.metainfo['classes'])
        label = int(index) % num_classes
        rng = sample_rng(index)
        inputs = {}
        for modality, prototypes in self.prototypes.items():
            noise = rng.standard_normal(prototypes.shape[1:], dtype=np.float32)
            inputs[modality] = torch.from_numpy(prototypes[label] + self.noise * noise)
        if int(index) in self.poison and 'audio' in inputs:
            inputs['audio'][..., 0] = float('nan')
        sample = AVDataSample(metainfo=dict(sample_id=f'toy_{int(index)}', num_classes=num_classes))
        return dict(inputs=inputs, data_samples=sample.set_gt_label(label))

    def fingerprint(self) -> str:
        """A short name of the content, as every data set has one."""
        total = sum(float(p.sum()) for p in self.prototypes.values())
        return f'toy-{self.length}-{total:.4f}'
