"""Gaussian noise for gradients, the same on every rank."""
from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
# Elements drawn at once on CPU: noise and gradient stay in the second-level cache until they are added.
_PIECE = 1 << 16


def _mix(seed: int, stream: int, step: int) -> int:
    """A well-spread 63-bit seed from three integers (the finaliser of SplitMix64)."""
    z = ((seed * 0x9E3779B97F4A7C15 + stream) * 0x9E3779B97F4A7C15 + step + 1) * 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return (z ^ (z >> 31)) >> 1


class NoiseSource:
    """Standard normal noise that depends on the seed and the number of the update alone.

    It draws after the gradients have been averaged over the ranks, so all ranks have to draw the same numbers or the
    replicas drift apart. Nothing else shares its generators. Its state is two integers, which a checkpoint keeps.

    Args:
        seed: Seed, the same on all ranks.
        stream: Name of the user; two users of one seed draw different noise.
    """

    def __init__(self, seed: int = 0, stream: str = ''):
        self.seed = seed
        self._stream = zlib.crc32(stream.encode())
        self.steps = 0
        self._generators: dict[torch.device, torch.Generator] = {}
        self._buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def start_step(self) -> None:
        """Begin the noise of one update."""
        self.steps += 1
        for generator in self._generators.values():
            self._seed(generator)

    def pieces(self, grad: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield views that make up ``grad``, each with standard normal noise of its shape, type and device.

        The noise is a buffer that the next piece overwrites, and the receiver may change it.

        Args:
            grad: A dense gradient, in whatever order its elements lie.
        """
        device, numel = grad.device, grad.numel()
        size = min(_PIECE, numel) if device.type == 'cpu' else numel
        generator = self._generators.get(device)
        if generator is None:
            generator = self._generators[device] = torch.Generator(device)
            self._seed(generator)
        buffer = self._buffers.get((device, grad.dtype))
        if buffer is None or buffer.numel() < size:
            buffer = self._buffers[device, grad.dtype] = torch.empty(size, dtype=grad.dtype, device=device)
        for piece in grad.as_strided((numel, ), (1, )).split(size):
            yield piece, buffer[:piece.numel()].normal_(generator=generator)

    def _seed(self, generator: torch.Generator) -> None:
        generator.manual_seed(_mix(self.seed, self._stream, self.steps))

    def state_dict(self) -> dict[str, int]:
        """Seed and number of updates."""
        return {'seed': self.seed, 'steps': self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where ``state`` was taken."""
        self.seed, self.steps = int(state['seed']), int(state['steps'])


def tensor_stds(tensors: list[Tensor]) -> list[Tensor]:
    """Unbiased standard deviation of each tensor over all its elements, each ``()``.

    One pass for the norms and one for the means, which take half the time of ``torch.std`` on CPU. In float32 the
    result is good to six digits while the mean is no larger than the deviation, and to four at ten times that. A
    tensor of one element gives 0.
    """
    numels = [t.numel() for t in tensors]
    wide = [torch.promote_types(t.dtype, torch.float32) for t in tensors]
    squares = [norm.to(dtype) for norm, dtype in zip(torch._foreach_norm(tensors), wide, strict=True)]
    means = [t.mean(dtype=dtype) for t, dtype in zip(tensors, wide, strict=True)]
    torch._foreach_mul_(squares, squares)
    torch._foreach_mul_(means, means)
    torch._foreach_mul_(squares, [1 / max(n - 1, 1) for n in numels])
    torch._foreach_mul_(means, [n / max(n - 1, 1) for n in numels])
    torch._foreach_sub_(squares, means)
    # Rounding can leave a constant tensor slightly below zero.
    torch._foreach_clamp_min_(squares, 0.0)
    torch._foreach_sqrt_(squares)
    return squares
