"""Batches of units that come from several clips, and the way of their features back to the clips."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avmm.extraction.base import FeatureExtractor
from avmm.utils import ConfigError, DataError


class Rows:
    """The features of the units of one clip, as they come in.

    Args:
        units: Units ``(N, ...)``; dropped as soon as all of them have gone to the device.
    """

    def __init__(self, units: Tensor):
        self.units: Tensor | None = units
        self.count, self.taken, self.filled = len(units), 0, 0
        self.features: Tensor | None = None

    def take(self, most: int) -> Tensor:
        """The next units, at most ``most``."""
        part = self.units[self.taken:self.taken + most]
        self.taken += len(part)
        if self.taken == self.count:
            self.units = None
        return part

    def fill(self, features: Tensor) -> bool:
        """Take features in, float32 where they are not whole numbers; returns whether all are there."""
        features = features.float() if features.is_floating_point() else features
        if len(features) == self.count:
            self.features = features
        else:
            if self.features is None:
                self.features = features.new_empty(self.count, *features.shape[1:])
            self.features[self.filled:self.filled + len(features)] = features
        self.filled += len(features)
        return self.filled == self.count


@dataclass
class Batch:
    """A batch on its way through the device.

    Attributes:
        parts: Whose units they are, and how many.
        features: ``(M, ...)`` in the memory of the CPU, complete when ``ready`` has passed.
        ready: Event of the device; None where nothing is to be waited for.
    """
    parts: list[tuple[Rows, int]]
    features: Tensor
    ready: torch.cuda.Event | None = None


class Batcher:
    """Runs one extractor on full batches, whichever clips the units belong to.

    Args:
        name: Name of the extractor.
        extractor: On its device, in evaluation mode.
        batch_size: Units of a batch.
        amp: Type of mixed precision, or None.
    """

    def __init__(self, name: str, extractor: FeatureExtractor, batch_size: int, device: torch.device,
                 amp: torch.dtype | None = None):
        self.name, self.extractor, self.batch_size, self.device, self.amp = name, extractor, batch_size, device, amp
        self._waiting: deque[Rows] = deque()
        self._running: deque[Batch] = deque()
        # Units that wait, and clips that wait behind one whose units have another shape.
        self._count = self._unlike = 0

    def put(self, rows: Rows) -> None:
        """Let the units of a clip queue."""
        if self._waiting and not _alike(rows.units, self._waiting[-1].units):
            self._unlike += 1
        self._waiting.append(rows)
        self._count += rows.count

    @property
    def full(self) -> bool:
        """Whether there are units for a full batch, or units of another shape wait behind the first ones."""
        return self._count >= self.batch_size or self._unlike > 0

    @property
    def busy(self) -> bool:
        """Whether any units wait or are on the device."""
        return bool(self._waiting or self._running)

    def run(self) -> list[Rows]:
        """Start a batch, of fewer units if there are no more; returns the clips that an earlier one completes.

        The device works on the new batch while the features of the one before are read.
        """
        if self._waiting:
            self._running.append(self._start(*self._gather()))
            if self._running[-1].ready is not None and len(self._running) < 2 and self._waiting:
                return []
        return self._collect() if self._running else []

    def _gather(self) -> tuple[Tensor, list[tuple[Rows, int]]]:
        """The units of a batch ``(M, ...)``, and whose they are."""
        room, pieces, parts = self.batch_size, [], []
        while room and self._waiting:
            rows = self._waiting[0]
            if pieces and not _alike(rows.units, pieces[0]):
                self._unlike -= 1
                break
            pieces.append(rows.take(room))
            parts.append((rows, len(pieces[-1])))
            room -= len(pieces[-1])
            if rows.units is None:
                self._waiting.popleft()
        self._count -= self.batch_size - room
        if self.device.type == 'cpu':
            return pieces[0] if len(pieces) == 1 else torch.cat(pieces), parts
        pinned = torch.empty_like(pieces[0][:1].expand(self.batch_size - room, *pieces[0].shape[1:]),
                                  pin_memory=self.device.type == 'cuda')
        return torch.cat(pieces, out=pinned), parts

    def _start(self, units: Tensor, parts: list[tuple[Rows, int]]) -> Batch:
        with torch.inference_mode(), torch.autocast(self.device.type, self.amp, enabled=self.amp is not None):
            try:
                features = self.extractor(units.to(self.device, non_blocking=True))
            except torch.OutOfMemoryError:
                raise ConfigError(f'extractors.{self.name}: the memory of {self.device} does not hold a batch of '
                                  f'{len(units)} units; set a smaller --batch-size') from None
        if len(features) != len(units):
            raise ConfigError(f'extractors.{self.name}: forward gave {len(features)} rows for {len(units)} units')
        if self.device.type != 'cuda':
            return Batch(parts, features.cpu())
        out = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
        out.copy_(features, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record()
        return Batch(parts, out, ready)

    def _collect(self) -> list[Rows]:
        batch = self._running.popleft()
        if batch.ready is not None:
            batch.ready.synchronize()
        complete, first = [], 0
        for rows, count in batch.parts:
            if rows.fill(batch.features[first:first + count]):
                complete.append(rows)
            first += count
        return complete


def _alike(units: Tensor, others: Tensor) -> bool:
    """Whether units can be in one batch with others."""
    return units.shape[1:] == others.shape[1:] and units.dtype == others.dtype


def finish(extractor: FeatureExtractor, name: str, features: Tensor) -> np.ndarray:
    """The feature of a clip.

    Raises:
        DataError: If it has numbers that are not finite.
        ConfigError: If it does not fit the spec of the extractor.
    """
    with torch.inference_mode():
        value, spec = np.asarray(extractor.finish(features)), extractor.spec
    if (value.shape[1:] if spec.varies else value.shape) != spec.row_shape or (spec.varies and value.ndim == 0):
        raise ConfigError(f'extractors.{name}: finish gave the shape {value.shape}, where spec says {spec.shape}')
    if value.dtype.kind == 'f' and not np.isfinite(value).all():
        raise DataError(f'the feature {name!r} has numbers that are not finite; in mixed precision, try bf16 or none')
    return value
