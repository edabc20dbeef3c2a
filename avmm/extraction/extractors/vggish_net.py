"""VGGish, the network behind the sound features of AudioSet, AVE and the zero-shot benchmarks."""
from __future__ import annotations

import zipfile
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from avmm.models.encoders.weights import fill_weights, read_weights
from avmm.utils import CheckpointError

#: Layers of the published TensorFlow graph, in the order of ours.
_TENSORFLOW = {'conv1': 'features.0', 'conv2': 'features.3', 'conv3/conv3_1': 'features.6',
               'conv3/conv3_2': 'features.8', 'conv4/conv4_1': 'features.11', 'conv4/conv4_2': 'features.13',
               'fc1/fc1_1': 'fc.0', 'fc1/fc1_2': 'fc.2', 'fc2': 'fc.4'}


class VGGishNet(nn.Module):
    """`VGGish <https://arxiv.org/abs/1609.09430>`_: a VGG network on log-mel patches of 0.96 s.

    Args:
        weights: A file of weights, see :func:`read_vggish`; random weights by default.

    Example:
        >>> VGGishNet()(torch.rand(2, 1, 96, 64)).shape
        torch.Size([2, 128])
    """

    def __init__(self, weights: str | None = None):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for widths in ((64, ), (128, ), (256, 256), (512, 512)):
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.fc = nn.Sequential(nn.Linear(6 * 4 * 512, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096),
                                nn.ReLU(inplace=True), nn.Linear(4096, 128), nn.ReLU(inplace=True))
        if weights is not None:
            fill_weights(self, read_vggish(weights), weights)

    def forward(self, patches: Tensor) -> Tensor:
        """Embeddings ``(N, 128)``, not negative, of patches ``(N, 1, 96, 64)``: time, then mel bands."""
        # The weights expect the maps (N, 512, 6, 4) with their channels last.
        return self.fc(self.features(patches).permute(0, 2, 3, 1).flatten(1))


def read_vggish(path: str) -> dict[str, Tensor]:
    """Weights of VGGish, from PyTorch or from TensorFlow.

    Args:
        path: A file of ``torch.save`` with ``features.*`` and ``fc.*`` or ``embeddings.*``; or an ``.npz`` file of the
            variables of the TensorFlow checkpoint under their names (``vggish/conv1/weights`` ...).

    Raises:
        CheckpointError: If the file is missing, broken or of another network.
    """
    if not path.endswith('.npz'):
        return {name.replace('embeddings.', 'fc.'): value for name, value in read_weights(path).items()}
    try:
        with np.load(path, allow_pickle=False) as file:
            return from_tensorflow({name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f'{path} holds no variables of VGGish ({reason}); get the file anew') from error


def from_tensorflow(variables: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """State of :class:`VGGishNet` from the variables of the TensorFlow checkpoint.

    Kernels of convolutions ``(h, w, in, out)`` become ``(out, in, h, w)``, those of dense layers are transposed.

    Raises:
        KeyError: If a variable is missing.
    """
    state = {}
    for theirs, ours in _TENSORFLOW.items():
        weight, bias = (np.asarray(variables[f'vggish/{theirs}/{kind}']) for kind in ('weights', 'biases'))
        weight = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T
        state[f'{ours}.weight'] = torch.from_numpy(np.ascontiguousarray(weight, np.float32))
        state[f'{ours}.bias'] = torch.from_numpy(bias.astype(np.float32))
    return state
