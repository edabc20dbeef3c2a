"""Feature extractors that need no media: a file of bytes is a clip."""
from __future__ import annotations

import faulthandler
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.registry import EXTRACTORS
from avmm.utils import DataError


@EXTRACTORS.register_module()
class ToyExtractor(FeatureExtractor):
    """Every byte of a file is a unit; its feature is the byte times a vector of weights.

    Files with certain beginnings behave badly: ``crash`` ends the process that reads it, ``sleep`` takes a minute,
    ``nan`` gives no numbers.

    Args:
        dim: Length D of the feature of a unit.
        pool: Whether an item gets the mean of its units ``(D,)`` rather than all of them ``(N, D)``.
        batch_size: Units of a batch.
        modality: What it claims to be about.
        scale: The weights are ``scale * (1 ... D)``.
    """

    def __init__(self, dim: int = 4, pool: bool = True, batch_size: int = 8, modality: str = 'visual',
                 scale: float = 1.0):
        super().__init__()
        self.modality, self.pool, self.batch_size = modality, pool, batch_size
        self.spec = ArraySpec((dim, ) if pool else (None, dim))
        self.weight = nn.Parameter(scale * torch.arange(1.0, dim + 1))
        #: Numbers of units of the batches so far.
        self.batches: list[int] = []

    def load(self, media: Media) -> Tensor:
        """Bytes of the file ``(N, 1)``, uint8."""
        content = Path(media.path).read_bytes()
        if content.startswith(b'crash'):
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        if content.startswith(b'sleep'):
            time.sleep(60)
        if content.startswith(b'bad'):
            raise DataError(f'{media.path}: not a toy')
        return torch.from_numpy(np.frombuffer(content, np.uint8).copy())[:, None]

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, D)`` of units ``(M, 1)``; those of ``nan`` are not numbers."""
        self.batches.append(len(units))
        return units.float() * self.weight

    def finish(self, features: Tensor) -> np.ndarray:
        """Their mean ``(D,)``, or all of them."""
        if features[:3, 0].tolist() == [float(c * self.weight[0]) for c in b'nan']:
            features = features * float('nan')
        return super().finish(features.mean(0) if self.pool else features)
