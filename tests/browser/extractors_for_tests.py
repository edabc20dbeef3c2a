"""Extractors of features that cost nothing, for a localiser on the page of the demo."""
from __future__ import annotations

import numpy as np
import torch

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction import FeatureExtractor
from avmm.registry import EXTRACTORS


@EXTRACTORS.register_module()
class LoudnessOfThePage(FeatureExtractor):
    """128 times how loud each of ten seconds is."""
    modality = 'audio'

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec = ArraySpec((10, 128))

    def load(self, media):
        sound = torch.from_numpy(media.sound(8000, mono=True))[0]
        return torch.nn.functional.pad(sound, (0, 80000))[:80000].view(10, 8000)

    def forward(self, units):
        return units.square().mean(1, keepdim=True).expand(-1, 128)


@EXTRACTORS.register_module()
class ColourOfThePage(FeatureExtractor):
    """A grid of 3 x 3 cells of 512 channels: the mean colour of each of ten frames."""
    modality = 'visual'

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec = ArraySpec((10, 3, 3, 512))

    def load(self, media):
        video = media.video()
        frames = video.get(np.minimum((np.arange(10) + 0.5) * video.fps, len(video) - 1).astype(int))
        return torch.from_numpy(frames).float().mean((1, 2, 3))

    def forward(self, units):
        return (units / 255)[:, None, None, None].expand(-1, 3, 3, 512)
