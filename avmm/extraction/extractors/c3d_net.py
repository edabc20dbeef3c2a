"""C3D: three-dimensional convolutions on short clips."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from avmm.models.encoders.weights import load_weights

# Name, width and stride of the pooling behind it.
_LAYERS = (('conv1', 64, (1, 2, 2)), ('conv2', 128, 2), ('conv3a', 256, None), ('conv3b', 256, 2),
           ('conv4a', 512, None), ('conv4b', 512, 2), ('conv5a', 512, None), ('conv5b', 512, 2))


class C3DNet(nn.Module):
    """`C3D <https://arxiv.org/abs/1412.0767>`_ for clips of 16 frames of 112 x 112 pixels.

    Its feature is what ``fc7`` gives, after the ReLU; the classifier ``fc8`` of a file of weights is left out.

    Args:
        weights: A file of weights with the names of the Sports-1M model; random weights by default.
        dropout: Probability of dropout behind each dense layer.

    Example:
        >>> C3DNet()(torch.rand(1, 3, 16, 112, 112)).shape
        torch.Size([1, 4096])
    """

    out_channels = 4096

    def __init__(self, weights: str | None = None, dropout: float = 0.5):
        super().__init__()
        channels = 3
        for name, width, _ in _LAYERS:
            self.add_module(name, nn.Conv3d(channels, width, 3, padding=1))
            channels = width
        self.fc6, self.fc7 = nn.Linear(8192, 4096), nn.Linear(4096, 4096)
        self.dropout = nn.Dropout(dropout)
        if weights is not None:
            load_weights(self, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(B, 4096)`` of clips ``(B, 3, 16, 112, 112)``.

        Raises:
            ValueError: If ``x`` has another shape.
        """
        if x.shape[1:] != (3, 16, 112, 112):
            raise ValueError(f'C3DNet takes (B, 3, 16, 112, 112); it was given {tuple(x.shape)}')
        for name, _, stride in _LAYERS:
            x = torch.relu(self.get_submodule(name)(x))
            if stride is not None:
                last = name == 'conv5b'
                x = nn.functional.max_pool3d(x, stride, stride, padding=(0, 1, 1) if last else 0)
        x = self.dropout(torch.relu(self.fc6(x.flatten(1))))
        return self.dropout(torch.relu(self.fc7(x)))
