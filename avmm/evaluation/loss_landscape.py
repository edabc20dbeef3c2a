"""The loss around a trained model, along random directions of its weights.

The method and its options are those of "Visualizing the Loss Landscape of Neural Nets" (NeurIPS 2018).
"""
from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avmm.models.base import AVModel
from avmm.utils import ConfigError, DataError

NORMS = ('filter', 'layer', 'weight', 'dfilter', 'dlayer', 'none')
KINDS = ('weights', 'states')
Direction = dict[str, Tensor]


def weights_of(model: nn.Module, kind: str = 'weights') -> dict[str, Tensor]:
    """The tensors that a direction moves, by name: parameters, or with ``'states'`` the running statistics as well.

    Counters, and whatever else is no floating-point number, stay where they are.

    Raises:
        ConfigError: If ``kind`` is neither.
    """
    if kind not in KINDS:
        raise ConfigError(f'kind is {kind!r}; use {" or ".join(KINDS)}')
    tensors = dict(model.named_parameters()) if kind == 'weights' else model.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}


def random_direction(weights: Mapping[str, Tensor], seed: int, norm: str = 'filter',
                     ignore_small: bool = True) -> Direction:
    """A Gaussian direction, scaled to the weights.

    With d the direction and w the weights of a tensor, ``norm`` is one of

    * ``'filter'``: each filter d_i becomes ``d_i * ||w_i|| / (||d_i|| + 1e-10)``, i the first axis;
    * ``'layer'``: ``d * ||w|| / ||d||``;
    * ``'weight'``: ``d * w``;
    * ``'dfilter'``: ``d_i / (||d_i|| + 1e-10)``;
    * ``'dlayer'``: ``d / ||d||``;
    * ``'none'``: d.

    It is drawn on the host, so that every device gets the same one.

    Args:
        weights: What :func:`weights_of` gives.
        seed: Seed of the direction.
        norm: How it is scaled.
        ignore_small: Whether tensors of one axis or none (biases, normalisations) stay where they are. Otherwise
            their direction is their own value.

    Returns:
        ``{name: tensor}`` in the shapes and on the device of the weights.

    Raises:
        ConfigError: If ``norm`` is unknown.
    """
    if norm not in NORMS:
        raise ConfigError(f'norm is {norm!r}; use one of {", ".join(NORMS)}')
    generator = torch.Generator().manual_seed(seed)
    direction = {}
    for name, weight in weights.items():
        # Drawn for small tensors too: what is ignored does not change the rest.
        drawn = torch.randn(weight.shape, generator=generator)
        host = weight.detach().to('cpu', torch.float32)
        if weight.dim() <= 1:
            drawn = torch.zeros_like(host) if ignore_small else host.clone()
        else:
            drawn = _scaled(drawn, host, norm)
        direction[name] = drawn.to(weight)
    return direction


def _scaled(direction: Tensor, weight: Tensor, norm: str) -> Tensor:
    if norm == 'none':
        return direction
    if norm == 'weight':
        return direction * weight
    by_filter = norm.endswith('filter')
    axes = tuple(range(1, weight.dim())) if by_filter else tuple(range(weight.dim()))
    length = torch.linalg.vector_norm(direction, dim=axes, keepdim=True) + (1e-10 if by_filter else 0)
    goal = 1 if norm.startswith('d') else torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return direction * (goal / length)


def cosine(one: Direction, other: Direction) -> float:
    """Cosine of the angle between two directions; that of random ones of many weights is nearly 0."""
    dot, first, second = (sum(float((a[name].double() * b[name].double()).sum()) for name in one)
                          for a, b in ((one, other), (one, one), (other, other)))
    return dot / max((first * second) ** 0.5, 1e-30)


class WeightPlane:
    """Moves a model about the point where it is, along given directions.

    Args:
        weights: What :func:`weights_of` gives.
        directions: One or two directions.

    Example:
        >>> with WeightPlane(weights, [x, y]) as plane:  # doctest: +SKIP
        ...     plane.move(0.5, -0.5)
    """

    def __init__(self, weights: Mapping[str, Tensor], directions: Sequence[Direction]):
        self.weights, self.directions = dict(weights), list(directions)
        self.origin = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def move(self, *coordinates: float) -> None:
        """Put the model at ``origin + sum_k coordinates_k * direction_k``."""
        for name, weight in self.weights.items():
            place = self.origin[name].clone()
            for step, direction in zip(coordinates, self.directions, strict=True):
                place.add_(direction[name], alpha=step)
            weight.copy_(place)

    def __enter__(self) -> WeightPlane:
        return self

    def __exit__(self, *error) -> None:
        self.move(*[0.0] * len(self.directions))


@torch.no_grad()
def loss_and_accuracy(model: AVModel, batches: Iterable[dict]) -> tuple[float, float]:
    """Mean loss, and joint accuracy in per cent, of a model in evaluation mode.

    The loss is the model's own, without what balancing hooks add to it. The accuracy is not a number where the model
    has no joint logits ``(B, C)`` or ``(B, S, C)`` with one label each.

    Args:
        model: The model.
        batches: Outputs of its data preprocessor.
    """
    total = hits = labelled = count = 0.0
    for batch in batches:
        size = len(batch['data_samples'])
        loss, _ = model.parse_losses(model(**batch, mode='loss'))
        step = model.step
        total, count = total + size * float(loss), count + size
        if step.logits is not None and step.labels.shape == step.logits.shape[:-1]:
            hits += float((step.logits.argmax(-1) == step.labels).sum())
            labelled += step.labels.numel()
    # The recorded step would keep the last batch alive.
    model.eval()
    return total / max(count, 1), 100 * hits / labelled if labelled else float('nan')


@dataclass
class Surface:
    """Loss and accuracy on a line or a grid.

    The HDF5 file has the datasets ``x`` (X,), ``y`` (Y,) of a grid, and ``loss``, ``accuracy`` (per cent) ``done``
    (bool), each (X,) or (Y, X). ``loss`` is not a number where ``done`` is false. The attributes say what was
    measured.

    Attributes:
        x: Steps along the first direction.
        y: Steps along the second one; None for a line.
        settings: What the numbers depend on, ``{name: text or number}``.
        loss: Loss.
        accuracy: Joint accuracy in per cent.
        done: Which points have been measured.
    """
    x: np.ndarray
    y: np.ndarray | None
    settings: dict
    loss: np.ndarray | None = None
    accuracy: np.ndarray | None = None
    done: np.ndarray | None = None

    def __post_init__(self):
        shape = (len(self.x), ) if self.y is None else (len(self.y), len(self.x))
        if self.loss is None:
            self.loss, self.accuracy = np.full(shape, np.nan), np.full(shape, np.nan)
            self.done = np.zeros(shape, bool)

    def pending(self) -> list[tuple[int, ...]]:
        """Indices of the points that have not been measured."""
        return [tuple(map(int, index)) for index in np.argwhere(~self.done)]

    def coordinates(self, index: tuple[int, ...]) -> tuple[float, ...]:
        """Steps along each direction at a point."""
        return (float(self.x[index[-1]]), ) if self.y is None else (float(self.x[index[1]]), float(self.y[index[0]]))

    def record(self, index: tuple[int, ...], loss: float, accuracy: float) -> None:
        """Keep what was measured at a point."""
        self.loss[index], self.accuracy[index], self.done[index] = loss, accuracy, True

    def save(self, path: Path) -> None:
        """Write the file in one step: whoever reads or kills finds a whole one."""
        import h5py

        from avmm.engine.checkpoint import write_atomically
        buffer = io.BytesIO()
        with h5py.File(buffer, 'w') as file:
            for name in ('x', 'y', 'loss', 'accuracy', 'done'):
                if getattr(self, name) is not None:
                    file[name] = getattr(self, name)
            file.attrs.update(self.settings)
        with write_atomically(path) as file:
            file.write(buffer.getvalue())

    def resume(self, path: Path) -> None:
        """Take over what a file holds of this surface.

        Raises:
            DataError: If it is no such file, or one of something else; what differs is named.
        """
        import h5py
        try:
            with h5py.File(path, 'r') as file:
                held = {name: np.asarray(file[name]) for name in file}
                settings = {name: getattr(value, 'item', lambda v=value: v)() for name, value in file.attrs.items()}
        except OSError as error:
            raise DataError(f'{path}: not an HDF5 file; give another --out, or --overwrite it') from error
        different = [f'{name} was {settings.get(name)!r}, is {value!r}' for name, value in self.settings.items()
                     if settings.get(name) != value]
        different += [f'the steps along {name} differ' for name in ('x', 'y')
                      if not np.array_equal(held.get(name, np.nan), np.nan if getattr(self, name) is None
                                            else getattr(self, name), equal_nan=True)]
        if different:
            raise DataError(f'{path}: holds another surface ({"; ".join(different)}); give another --out, or '
                            '--overwrite it')
        self.loss, self.accuracy, self.done = held['loss'], held['accuracy'], held['done']
