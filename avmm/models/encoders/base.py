"""What every encoder offers."""
from __future__ import annotations

from abc import abstractmethod

from mmengine.model import BaseModule
from torch import Tensor


class Encoder(BaseModule):
    """Base of the networks that turn one modality into one feature vector a clip.

    A subclass sets :attr:`out_channels` and implements :meth:`encode` for a batch of images (a spectrogram is an image
    of one channel). Clips of T frames are folded into the batch, encoded together and averaged over the frames.

    Args:
        in_channels: Channels of the input: 1 for a spectrogram, 3 for frames.
        init_cfg: Initialisation of mmengine.

    Attributes:
        out_channels: Width D of the features.
    """

    out_channels: int

    def __init__(self, in_channels: int, init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        self.in_channels = in_channels

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Pooled features ``(N, D)`` of images ``(N, in_channels, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features ``(B, D)``.

        Args:
            x: Spectrograms ``(B, 1, F, T)``, images ``(B, 3, H, W)`` or clips of T frames ``(B, 3, T, H, W)``.

        Raises:
            ValueError: If ``x`` has another number of dimensions or channels.
        """
        if x.dim() not in (4, 5) or x.shape[1] != self.in_channels:
            c = self.in_channels
            raise ValueError(f'{type(self).__name__}(in_channels={c}) takes (B, {c}, H, W) or (B, {c}, T, H, W); '
                             f'it was given {tuple(x.shape)}')
        if x.dim() == 4:
            return self.encode(x)
        frames = x.shape[2]
        pooled = self.encode(x.transpose(1, 2).flatten(0, 1))
        return pooled.unflatten(0, (-1, frames)).mean(dim=1)
