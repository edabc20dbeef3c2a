"""From clips to features: decoding in workers, batches across clips on the device."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from avmm.extraction.base import FeatureExtractor
from avmm.extraction.batches import Batcher, Rows, finish
from avmm.extraction.items import Clip
from avmm.extraction.workers import Inline, Loaded, LoadPool
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError

AMP_TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass
class Extracted:
    """What became of a clip.

    Attributes:
        clip: The clip.
        features: An array by the name of each extractor.
        error: Why there are none.
    """
    clip: Clip
    features: dict[str, np.ndarray]
    error: str | None = None


@dataclass
class _Open:
    """A clip of which some extractors are not through, and the features of the others."""
    clip: Clip
    features: dict[str, np.ndarray] = field(default_factory=dict)
    failed: bool = False


class Extraction:
    """Runs extractors over clips, in bounded memory.

    A worker process decodes a clip for all extractors; several clips are under way. Units of different clips share
    batches. Clips come out when they are through, not in the order in which they go in.

    Args:
        extractors: ``{name: extractor or its config}``.
        device: Where the models run.
        num_workers: Processes that decode; 0 decodes in this one.
        batch_size: Units of a batch, for all extractors or by name. Defaults to that of each extractor.
        amp: ``'bf16'`` or ``'fp16'`` for mixed precision.
        timeout: Seconds that decoding a clip may take; None means for ever. Needs workers.
        depth: Clips that a worker has at a time.
        media: Arguments of :class:`Media` beside the clip: ``backend``, ``num_threads``.

    Raises:
        ConfigError: If an argument is wrong.

    Example:
        >>> with Extraction(dict(loud=dict(type='Loudness')), num_workers=2) as extraction:  # doctest: +SKIP
        ...     for result in extraction.run(clips_of(read_items('videos'))):
        ...         print(result.clip.path, result.error or result.features['loud'].shape)
    """

    def __init__(self, extractors: Mapping[str, FeatureExtractor | Mapping], device: str | torch.device = 'cpu',
                 num_workers: int = 2, batch_size: int | Mapping[str, int] | None = None, amp: str | None = None,
                 timeout: float | None = None, depth: int = 2, media: Mapping | None = None):
        if amp is not None and amp not in AMP_TYPES:
            raise ConfigError(f'amp is {amp!r}; it must be bf16 or fp16')
        if num_workers < 0 or depth < 1 or (timeout is not None and timeout <= 0):
            raise ConfigError('num_workers must be at least 0, depth at least 1, and timeout positive')
        if timeout is not None and num_workers == 0:
            raise ConfigError('a time-out needs worker processes; set num_workers to 1 or more')
        self.extractors = build_extractors(extractors)
        self.device, self.amp, self.num_workers = torch.device(device), AMP_TYPES.get(amp), num_workers
        self._sizes = _batch_sizes(self.extractors, batch_size)
        # Workers are forked while the models are in the memory of the CPU.
        self._pool = LoadPool(self.extractors, num_workers, media, timeout, depth) if num_workers else \
            Inline(self.extractors, media or {})
        self._batchers = {name: Batcher(name, extractor.to(self.device), self._sizes[name], self.device, self.amp)
                          for name, extractor in self.extractors.items()}
        self._open: dict[int, _Open] = {}

    @property
    def arrays(self) -> dict:
        """Shape and type of every feature."""
        return {name: extractor.spec for name, extractor in self.extractors.items()}

    def run(self, clips: Iterable[Clip]) -> Iterator[Extracted]:
        """Extract the features of ``clips``; yields each when it is through.

        Raises:
            AVMMError: If nothing can be extracted at all: a package is missing, an extractor is wrong, or the device
                has too little memory.
        """
        clips, more = iter(clips), True
        while more or self._pool.busy or self._open:
            more = more and self._submit(clips)
            # With nothing to compute, there is nothing better to do than to wait for a worker.
            for loaded in self._pool.poll(block=not self._runnable(more)):
                if loaded.error is not None:
                    yield Extracted(loaded.clip, {}, loaded.error)
                else:
                    self._put(loaded)
            for batcher in self._runnable(more):
                for rows in batcher.run():
                    yield from self._completed(batcher.name, rows)

    def _submit(self, clips: Iterator[Clip]) -> bool:
        """Give clips to the workers unless decoded ones wait already; returns whether there may be more."""
        while self._pool.has_room and not any(batcher.full for batcher in self._batchers.values()):
            clip = next(clips, None)
            if clip is None:
                return False
            self._pool.submit(clip)
        return True

    def _runnable(self, more: bool) -> list[Batcher]:
        """Extractors with a full batch; once nothing more is being decoded, those with any."""
        full = [batcher for batcher in self._batchers.values() if batcher.full]
        return full if full or more or self._pool.busy else [b for b in self._batchers.values() if b.busy]

    def _put(self, loaded: Loaded) -> None:
        entry = _Open(loaded.clip)
        for name, units in loaded.units.items():
            rows = Rows(units)
            self._open[id(rows)] = entry
            self._batchers[name].put(rows)

    def _completed(self, name: str, rows: Rows) -> Iterator[Extracted]:
        entry = self._open.pop(id(rows))
        if entry.failed:
            return
        try:
            entry.features[name] = finish(self.extractors[name], name, rows.features)
        except DataError as error:
            # The other extractors of this clip go on to their end, unheard.
            entry.failed = True
            yield Extracted(entry.clip, {}, f'{entry.clip.path}: {error}')
        else:
            if len(entry.features) == len(self.extractors):
                yield Extracted(entry.clip, entry.features)

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def __enter__(self) -> Extraction:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()


def build_extractors(extractors: Mapping[str, FeatureExtractor | Mapping]) -> dict[str, FeatureExtractor]:
    """Build extractors, initialise their weights, and put them into evaluation mode.

    Raises:
        ConfigError: If there are none, or one breaks the protocol.
    """
    if not extractors:
        raise ConfigError('extractors: at least one is needed, as in extractors=dict(audio=dict(type="VGGish"))')
    built = {}
    for name, extractor in extractors.items():
        if not isinstance(extractor, FeatureExtractor):
            extractor = EXTRACTORS.build(dict(extractor))
            if any(getattr(module, 'init_cfg', None) for module in extractor.modules()):
                extractor.init_weights()
        extractor.check(name)
        built[name] = extractor.eval().requires_grad_(False)
    return built


def _batch_sizes(extractors: Mapping[str, FeatureExtractor], batch_size: int | Mapping[str, int] | None) -> dict:
    sizes = {name: extractor.batch_size for name, extractor in extractors.items()}
    given = batch_size if isinstance(batch_size, Mapping) else dict.fromkeys(sizes, batch_size or 0)
    unknown = set(given) - set(sizes)
    if unknown:
        raise ConfigError(f'batch_size names {", ".join(sorted(unknown))}; the extractors are {", ".join(sizes)}')
    sizes.update({name: size for name, size in given.items() if size})
    if min(sizes.values()) < 1:
        raise ConfigError(f'batch_size must be at least 1, got {sizes}')
    return sizes
