"""Processes that decode: several clips under way, their units in shared memory, and a crash costs one clip."""
from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait

import torch
from torch import Tensor

from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.items import Clip
from avmm.utils import AVMMError, DataError
from avmm.utils.cli import one_line

_LENGTH = struct.Struct('<Q')


@dataclass
class Loaded:
    """A clip that is decoded, or why it is not.

    Attributes:
        clip: The clip.
        units: Units ``(N, ...)`` by the name of the extractor.
        error: Why there are none.
    """
    clip: Clip
    units: dict[str, Tensor] = field(default_factory=dict)
    error: str | None = None


def load_clip(extractors: Mapping[str, FeatureExtractor], clip: Clip, media: Mapping) -> Loaded:
    """Decode one clip for all extractors.

    Raises:
        AVMMError: If it is not the clip that is at fault: a package is missing, or an argument is wrong.
    """
    try:
        opened = Media(clip.path, clip.start, clip.duration, **media)
        units = {name: torch.as_tensor(extractor.load(opened)) for name, extractor in extractors.items()}
    except (DataError, OSError) as error:
        return Loaded(clip, error=one_line(error))
    except AVMMError:
        raise
    except Exception as error:  # whatever a decoder makes of a broken file
        return Loaded(clip, error=f'{type(error).__name__}: {one_line(error)}')
    empty = [name for name, value in units.items() if value.ndim == 0 or len(value) == 0]
    return Loaded(clip, error=f'{clip.path}: too short for {", ".join(empty)}') if empty else Loaded(clip, units)


class Inline:
    """Loads in this process, one clip at a time; for debugging."""

    def __init__(self, extractors: Mapping[str, FeatureExtractor], media: Mapping):
        self._extractors, self._media = extractors, dict(media)
        self._clips: deque[Clip] = deque()

    @property
    def has_room(self) -> bool:
        """Whether a clip can be submitted."""
        return not self._clips

    @property
    def busy(self) -> bool:
        """Whether a clip is under way."""
        return bool(self._clips)

    def submit(self, clip: Clip) -> None:
        """Take a clip."""
        self._clips.append(clip)

    def poll(self, block: bool) -> list[Loaded]:
        """The clip."""
        return [load_clip(self._extractors, self._clips.popleft(), self._media)] if self._clips else []

    def close(self) -> None:
        """Nothing to end."""


class LoadPool:
    """Loads in worker processes.

    A worker has ``depth`` clips at a time, so that it goes on while this process is busy. One that crashes, or takes
    longer than ``timeout`` for a clip, is replaced; the clip it was at has failed, its other ones are done again.

    Args:
        extractors: By name; the workers get copies without parameters.
        num_workers: Number of processes.
        media: Arguments of :class:`Media` beside the clip, such as the backend.
        timeout: Seconds that a clip may take; None means for ever.
        depth: Clips that a worker has at a time.
    """

    def __init__(self, extractors: Mapping[str, FeatureExtractor], num_workers: int, media: Mapping | None = None,
                 timeout: float | None = None, depth: int = 2):
        self._extractors = {name: extractor.for_workers() for name, extractor in extractors.items()}
        self._media, self._timeout, self._depth = dict(media or {}), timeout, depth
        self._again: deque[Clip] = deque()
        self._workers: list[_Worker] = []
        for _ in range(num_workers):
            self._start()

    @property
    def has_room(self) -> bool:
        """Whether a worker can take another clip."""
        return not self._again and any(len(worker.clips) < self._depth for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether clips are under way."""
        return bool(self._again) or any(worker.clips for worker in self._workers)

    def submit(self, clip: Clip) -> None:
        """Give a clip to the worker that has the fewest."""
        worker = min(self._workers, key=lambda w: len(w.clips))
        worker.give(clip)

    def poll(self, block: bool) -> list[Loaded]:
        """The clips that are ready; if ``block``, wait for one.

        Raises:
            AVMMError: If a worker finds that nothing can be decoded at all.
        """
        ready: list[Loaded] = []
        while self.busy:
            for worker in wait([w.socket for w in self._workers], self._patience() if block and not ready else 0):
                ready += self._receive(next(w for w in self._workers if w.socket is worker))
            ready += [self._replace(worker, f'took longer than {self._timeout:g} s') for worker in self._late()]
            while self._again and any(len(worker.clips) < self._depth for worker in self._workers):
                self.submit(self._again.popleft())
            if ready or not block:
                break
        return ready

    def close(self) -> None:
        """End the workers, whatever they are at."""
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _start(self) -> None:
        self._workers.append(_Worker(self._extractors, self._media, [w.socket for w in self._workers]))

    def _receive(self, worker: _Worker) -> list[Loaded]:
        try:
            message, units = worker.receive()
        except (EOFError, OSError):
            return [self._replace(worker, None)] if worker.clips else self._restart(worker)
        if isinstance(message, AVMMError):
            raise message
        return [Loaded(worker.done(), units, message)]

    def _restart(self, worker: _Worker) -> list[Loaded]:
        self._workers.remove(worker)
        worker.end()
        self._start()
        return []

    def _replace(self, worker: _Worker, reason: str | None) -> Loaded:
        """Put another worker in the place of one that has crashed or is late; returns the clip that did it."""
        guilty, *others = worker.clips
        self._again.extend(others)
        self._restart(worker)
        return Loaded(guilty, error=f'{guilty.path}: {reason or worker.how_it_ended()}')

    def _late(self) -> list[_Worker]:
        if self._timeout is None:
            return []
        now = time.monotonic()
        return [worker for worker in self._workers if worker.clips and now - worker.since > self._timeout]

    def _patience(self) -> float | None:
        if self._timeout is None:
            return None
        ends = [worker.since + self._timeout for worker in self._workers if worker.clips]
        return max(0.0, min(ends) - time.monotonic()) + 0.01


class _Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, extractors: Mapping[str, FeatureExtractor], media: Mapping, others: list[socket.socket]):
        self.socket, theirs = socket.socketpair()
        # The end of the parent must be the last one that holds its end of a socket, or workers would outlive it.
        self.process = multiprocessing.get_context('fork').Process(
            target=_work, args=(theirs, [self.socket, *others], extractors, media), daemon=True)
        self.process.start()
        theirs.close()
        self.clips: deque[Clip] = deque()
        self.since = 0.0

    def give(self, clip: Clip) -> None:
        """Send a clip; a worker that is not there any more is noticed when its answer fails to come."""
        if not self.clips:
            self.since = time.monotonic()
        self.clips.append(clip)
        with contextlib.suppress(OSError):
            _send(self.socket, clip)

    def receive(self) -> tuple[str | AVMMError | None, dict[str, Tensor]]:
        """``(error, units)`` of the clip it has had for longest."""
        (message, layout), files = _receive(self.socket)
        return message, _map(layout, files[0]) if files else {}

    def done(self) -> Clip:
        """Take the first clip off."""
        self.since = time.monotonic()
        return self.clips.popleft()

    def end(self) -> None:
        """End it: without its socket an idle worker leaves; one that is at a clip is killed."""
        self.socket.close()
        self.process.join(0 if self.clips else 0.5)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()

    def how_it_ended(self) -> str:
        """Why it is not there any more."""
        code = self.process.exitcode
        if code is not None and code < 0:
            return f'the decoder crashed ({signal.Signals(-code).name})'
        return f'the decoder ended with status {code}'


def _work(task: socket.socket, others: list[socket.socket], extractors: Mapping[str, FeatureExtractor],
          media: Mapping) -> None:
    """What a worker does until its parent has gone."""
    # Ctrl-C reaches all processes of a terminal; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == 'linux':
        # However the parent ends, a decoder that hangs does not stay: PR_SET_PDEATHSIG.
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
    for other in others:
        other.close()
    torch.set_num_threads(1)
    try:
        while True:
            clip, _ = _receive(task)
            try:
                loaded = load_clip(extractors, clip, media)
            except AVMMError as error:
                _send(task, (type(error)(one_line(error)), {}))
                continue
            layout, file = _store(loaded.units)
            _send(task, (loaded.error, layout), file)
            if file is not None:
                os.close(file)
    except (EOFError, OSError):
        os._exit(0)


def _store(units: Mapping[str, Tensor]) -> tuple[dict[str, tuple], int | None]:
    """Put units into memory that another process can map.

    Returns:
        ``{name: (first byte, shape, dtype, order of the dimensions)}``, and the file.
    """
    if not units:
        return {}, None
    file, layout, position = _shared_file(), {}, 0
    for name, value in units.items():
        # As it lies in memory, be it in another order of the dimensions.
        order = sorted(range(value.ndim), key=value.stride, reverse=True)
        order = order if value.permute(order).is_contiguous() else list(range(value.ndim))
        value = value.detach().permute(order).contiguous()
        layout[name] = (position, tuple(value.shape), value.dtype, order)
        left = memoryview(value.view(-1).view(torch.uint8).numpy())
        while left:
            written = os.pwrite(file, left, position)
            left, position = left[written:], position + written
        position += -position % 64
    os.ftruncate(file, position)
    return layout, file


def _shared_file() -> int:
    if hasattr(os, 'memfd_create'):
        return os.memfd_create('units')
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _map(layout: Mapping[str, tuple], file: int) -> dict[str, Tensor]:
    """The units in such memory; it is given back when the last of the tensors is."""
    try:
        memory = mmap.mmap(file, 0)
    finally:
        os.close(file)
    return {name: torch.frombuffer(memory, dtype=dtype, count=math.prod(shape), offset=first).view(shape)
            .permute(sorted(range(len(order)), key=order.__getitem__))
            for name, (first, shape, dtype, order) in layout.items()}


def _send(to: socket.socket, message: object, file: int | None = None) -> None:
    """Send an object, and a file descriptor with it."""
    content = pickle.dumps(message)
    socket.send_fds(to, [_LENGTH.pack(len(content))], [] if file is None else [file])
    to.sendall(content)


def _receive(source: socket.socket) -> tuple:
    """Receive what :func:`_send` sent: the object and the descriptors.

    Raises:
        EOFError: If the other process has ended.
    """
    head, files, _, _ = socket.recv_fds(source, _LENGTH.size, 1)
    try:
        head += _read(source, _LENGTH.size - len(head)) if head else b''
        if not head:
            raise EOFError
        return pickle.loads(_read(source, _LENGTH.unpack(head)[0])), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def _read(source: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = source.recv(size - len(content))
        if not part:
            raise EOFError
        content += part
    return bytes(content)
