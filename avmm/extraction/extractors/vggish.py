"""VGGish features of sound."""
from __future__ import annotations

import zipfile

import numpy as np
import torch
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.extractors.sound_fronts import vggish_patches
from avmm.extraction.extractors.vggish_net import VGGishNet
from avmm.registry import EXTRACTORS
from avmm.utils import CheckpointError, ConfigError, DataError


@EXTRACTORS.register_module()
class VGGish(FeatureExtractor):
    """`VGGish <https://arxiv.org/abs/1609.09430>`_: 128 numbers for each 0.96 s of sound.

    ``VGGish(weights=..., num_patches=10)`` gives the features of AVE, 10 x 128 for a clip of ten seconds;
    ``VGGish(weights=..., pca=...)`` those of AudioSet and of the zero-shot benchmarks, whitened and rounded to bytes.

    Args:
        weights: A file of weights, see :func:`~avmm.extraction.extractors.vggish_net.read_vggish`; random weights by
            default.
        num_patches: Patches of an item; a longer sound is cut, a shorter one gets silence at its end. None takes as
            many as there are: ``(None, 128)``.
        hop: Step between patches in s: 0.96 sets them side by side, 1.0 begins one with every second.
        pca: An ``.npz`` file with ``pca_eigen_vectors (128, 128)`` and ``pca_means``, which whiten the features.
        quantise: Whether whitened features, limited to [-2, 2], become bytes. None does so where there is a ``pca``.
        resampling: Kernel that brings the sound to 16 kHz; see :func:`avmm.media.resampling.resample`.
        batch_size: Patches of a batch.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If options contradict each other.
        CheckpointError: If a file of weights does not fit.
    """
    modality = 'audio'

    def __init__(self, weights: str | None = None, num_patches: int | None = None, hop: float = 0.96,
                 pca: str | None = None, quantise: bool | None = None, resampling: str = 'kaiser_best',
                 batch_size: int = 64, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if num_patches is not None and num_patches < 1:
            raise ConfigError(f'VGGish: num_patches must be at least 1, got {num_patches}')
        if hop < 0.01 or abs(100 * hop - round(100 * hop)) > 1e-6:
            raise ConfigError(f'VGGish: hop must be a multiple of 0.01 s, got {hop}')
        if quantise and pca is None:
            raise ConfigError('VGGish: quantise goes with pca')
        self.num_patches, self.hop, self.resampling, self.batch_size = num_patches, hop, resampling, batch_size
        self.pca = None if pca is None else read_pca(pca)
        self.quantise = pca is not None if quantise is None else quantise
        self.net = VGGishNet(weights)
        self.spec = ArraySpec((num_patches, 128), 'uint8' if self.quantise else 'float32')

    def load(self, media: Media) -> Tensor:
        """Log-mel patches ``(N, 96, 64)``.

        Raises:
            DataError: If the sound is shorter than a patch and their number is not fixed.
        """
        sound = torch.from_numpy(media.sound(16000, True, self.resampling))[0]
        if self.num_patches is not None:
            # The last frame of the last patch ends 15 ms after its last step.
            needed = 160 * (round(100 * self.hop) * (self.num_patches - 1) + 95) + 400
            sound = torch.nn.functional.pad(sound, (0, max(0, needed - len(sound))))
        patches = vggish_patches(sound, self.hop)
        if not len(patches):
            raise DataError(f'{media.path}: the sound is too short, {len(sound) / 16000:.2f} of 0.975 s')
        return patches[:self.num_patches]

    def forward(self, units: Tensor) -> Tensor:
        """Embeddings ``(M, 128)`` of patches ``(M, 96, 64)``."""
        return self.net(units[:, None])

    def finish(self, features: Tensor) -> np.ndarray:
        """The embeddings ``(N, 128)``, whitened and rounded if so asked."""
        if self.pca is None:
            return super().finish(features)
        return postprocess(features.numpy(), *self.pca, self.quantise)


def postprocess(features: np.ndarray, eigen_vectors: np.ndarray, means: np.ndarray,
                quantise: bool = True) -> np.ndarray:
    """Whiten features ``(N, 128)`` by a PCA ``(128, 128)``, limit them to [-2, 2], and spread these over a byte.

    The fraction of a step is dropped, not rounded.
    """
    whitened = ((features - means.reshape(1, -1)) @ eigen_vectors.T).clip(-2, 2)
    return ((whitened + 2) * (255 / 4)).astype(np.uint8) if quantise else whitened.astype(np.float32)


def read_pca(path: str) -> tuple[np.ndarray, np.ndarray]:
    """``pca_eigen_vectors`` and ``pca_means`` of a file.

    Raises:
        CheckpointError: If it is missing, broken, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            vectors, means = file['pca_eigen_vectors'], file['pca_means'].reshape(-1)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f'{path} holds no PCA of VGGish ({str(error).splitlines()[0]}); get the file '
                              'vggish_pca_params.npz') from error
    if vectors.shape != (128, 128) or means.shape != (128, ):
        raise CheckpointError(f'{path}: pca_eigen_vectors and pca_means must be (128, 128) and (128,), got '
                              f'{vectors.shape} and {means.shape}')
    return vectors, means
