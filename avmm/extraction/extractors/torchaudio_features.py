"""Features of sound by the transformer networks of torchaudio."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.models.encoders.weights import load_weights
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError

#: Networks of ``torchaudio.models`` that tell about waveforms at 16 kHz.
NETWORKS = ('wav2vec2_base', 'wav2vec2_large', 'wav2vec2_large_lv60k', 'wav2vec2_xlsr_300m', 'wav2vec2_xlsr_1b',
            'wav2vec2_xlsr_2b', 'hubert_base', 'hubert_large', 'hubert_xlarge', 'wavlm_base', 'wavlm_large')
_RATE = 16000


@EXTRACTORS.register_module()
class TorchaudioFeatures(FeatureExtractor):
    """What a layer of wav2vec 2.0, HuBERT or WavLM says about each window of sound, averaged over the window.

    Args:
        name: Name of the network in ``torchaudio.models``, such as ``'wav2vec2_base'``.
        weights: A file of weights in torchaudio's names; random weights by default.
        layer: Transformer layer, from 0; negative ones count from the last.
        window: Length of a window in s; they lie side by side. A last one of less than half of it is left out.
        num_windows: Windows of an item, with silence where the sound ends; None takes as many as there are.
        normalize: Whether a window is brought to mean 0 and variance 1, as the large networks want it.
        dtype: Type of the features.
        batch_size: Windows of a batch.
        options: Further options of the network.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If torchaudio has no such network.
        CheckpointError: If the file of weights does not fit.
    """
    modality = 'audio'

    def __init__(self, name: str, weights: str | None = None, layer: int = -1, window: float = 1.0,
                 num_windows: int | None = None, normalize: bool = False, dtype: str = 'float32',
                 batch_size: int = 16, options: dict | None = None, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if name not in NETWORKS:
            raise ConfigError(f'torchaudio has no network {name!r} for waveforms; use one of {", ".join(NETWORKS)}')
        if window < 0.05 or (num_windows is not None and num_windows < 1):
            raise ConfigError('TorchaudioFeatures: window must be at least 0.05 s and num_windows at least 1, got '
                              f'{window} and {num_windows}')
        import torchaudio
        self.net = getattr(torchaudio.models, name)(**(options or {}))
        if weights is not None:
            load_weights(self.net, weights, ignore='aux.')
        layers = self.net.encoder.transformer.layers
        if not -len(layers) <= layer < len(layers):
            raise ConfigError(f'TorchaudioFeatures: {name} has {len(layers)} layers, so that layer={layer} is none')
        self.layer, self.window, self.num_windows, self.normalize = layer % len(layers), window, num_windows, normalize
        self.batch_size = batch_size
        width = self.net.encoder.feature_projection.projection.out_features
        self.spec = ArraySpec((num_windows, width), dtype)

    def load(self, media: Media) -> Tensor:
        """Windows ``(N, L)`` of the waveform at 16 kHz."""
        sound = torch.from_numpy(media.sound(_RATE, mono=True))[0]
        length = round(self.window * _RATE)
        count = self.num_windows or max(1, int(len(sound) / length + 0.5))
        sound = torch.nn.functional.pad(sound, (0, max(0, count * length - len(sound))))
        return sound[:count * length].view(count, length)

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, D)`` of windows ``(M, L)``."""
        if self.normalize:
            units = torch.nn.functional.layer_norm(units, units.shape[1:])
        return self.net.extract_features(units, num_layers=self.layer + 1)[0][-1].mean(1)
