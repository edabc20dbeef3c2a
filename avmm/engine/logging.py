"""A log whose cost does not grow with the run, and whose scalars cross from the device once a logging interval."""
from __future__ import annotations

import copy
import math
from collections import OrderedDict, deque
from itertools import islice

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor as _LogProcessor
from torch import Tensor

from avmm.engine.checkpoint import plain
from avmm.registry import LOG_PROCESSORS

__all__ = ['AVMessageHub', 'BoundedBuffer', 'LogProcessor']


class _Running:
    """Sum, count, least and greatest of everything since the last reset."""

    __slots__ = ('total', 'count', 'least', 'greatest')

    def __init__(self, total: float = 0.0, count: int = 0, least: float = math.inf, greatest: float = -math.inf):
        self.total, self.count, self.least, self.greatest = total, count, least, greatest

    def add(self, value: float, count: int) -> None:
        self.total += value
        self.count += count
        self.least = min(self.least, value)
        self.greatest = max(self.greatest, value)

    def state(self) -> list:
        return [self.total, self.count, self.least, self.greatest]


class BoundedBuffer(HistoryBuffer):
    """The newest values of one scalar, and running statistics of the epoch and of the whole run.

    It answers as mmengine's ``HistoryBuffer`` does, for windows up to ``max_length`` values; ``'epoch'``, ``'global'``
    and no window at all come from the running statistics.
    A tensor is kept as it is, without waiting for the device, until somebody reads; it must not be changed in place.

    Args:
        log_history: First values.
        count_history: Their counts.
        max_length: Number of values that are kept.
    """

    def __init__(self, log_history=(), count_history=(), max_length: int = 1000):
        self.max_length = max_length
        self._set_default_statistics()
        self._values: deque = deque(maxlen=max_length)
        self._counts: deque = deque(maxlen=max_length)
        self._pending: list[tuple[Tensor, int]] = []
        self._epoch, self._run = _Running(), _Running()
        for value, count in zip(log_history, count_history, strict=True):
            self.update(value, count)

    def update(self, log_val: float | Tensor, count: int = 1) -> None:
        """Append a value that stands for ``count`` samples."""
        if isinstance(log_val, Tensor):
            self._pending.append((log_val.detach(), count))
            if len(self._pending) >= self.max_length:
                flush([self])
            return
        if not isinstance(log_val, (int, float)) or not isinstance(count, (int, float)):
            raise TypeError(f'a log value is a number or a tensor of one element, not {type(log_val).__name__}, and '
                            f'its count a number, not {type(count).__name__}')
        if self._pending:
            flush([self])
        self._append(log_val, count)

    def _append(self, value: float, count: int) -> None:
        self._values.append(value)
        self._counts.append(count)
        self._epoch.add(value, count)
        self._run.add(value, count)

    def start_epoch(self) -> None:
        """Begin new statistics of the epoch."""
        flush([self])
        self._epoch = _Running()

    def _window(self, window_size: int | str | None) -> _Running | tuple[list, list]:
        flush([self])
        if window_size == 'epoch':
            return self._epoch
        if window_size in (None, 'global'):
            return self._run
        size = min(window_size, len(self._values))
        return (list(islice(reversed(self._values), size)), list(islice(reversed(self._counts), size)))

    def mean(self, window_size: int | str | None = None) -> float:
        """Mean of the newest ``window_size`` values, of the ``'epoch'``, or of the run."""
        window = self._window(window_size)
        if isinstance(window, _Running):
            return window.total / window.count if window.count else math.nan
        return sum(window[0]) / sum(window[1])

    def max(self, window_size: int | str | None = None) -> float:
        """Greatest of the newest ``window_size`` values, of the ``'epoch'``, or of the run."""
        window = self._window(window_size)
        return window.greatest if isinstance(window, _Running) else max(window[0])

    def min(self, window_size: int | str | None = None) -> float:
        """Least of the newest ``window_size`` values, of the ``'epoch'``, or of the run."""
        window = self._window(window_size)
        return window.least if isinstance(window, _Running) else min(window[0])

    def current(self) -> float:
        """The newest value."""
        if not self._values and not self._pending:
            raise ValueError('nothing was logged yet')
        flush([self])
        return self._values[-1]

    def statistics(self, method_name: str, *args, **kwargs):
        """Call a registered statistic; those that AVMM does not know read at most ``max_length`` values."""
        own = {'mean': self.mean, 'max': self.max, 'min': self.min, 'current': self.current}.get(method_name)
        return own(*args, **kwargs) if own else super().statistics(method_name, *args, **kwargs)

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """The values that are kept and their counts."""
        return self._log_history, self._count_history

    @property
    def _log_history(self) -> np.ndarray:
        flush([self])
        return np.array(self._values)

    @property
    def _count_history(self) -> np.ndarray:
        return np.array(self._counts)

    def state(self) -> dict:
        """Everything as plain numbers."""
        flush([self])
        return dict(values=list(self._values), counts=list(self._counts), epoch=self._epoch.state(),
                    run=self._run.state(), max_length=self.max_length)

    @classmethod
    def from_state(cls, state: dict) -> BoundedBuffer:
        """The buffer that :meth:`state` described."""
        buffer = cls(max_length=state['max_length'])
        buffer._values.extend(state['values'])
        buffer._counts.extend(state['counts'])
        buffer._epoch, buffer._run = _Running(*state['epoch']), _Running(*state['run'])
        return buffer


def flush(buffers: list[BoundedBuffer]) -> None:
    """Bring the tensors that wait in ``buffers`` to the host: one crossing for each device and type."""
    waiting = [(b, i, t, c) for b in buffers for i, (t, c) in enumerate(b._pending)]
    if not waiting:
        return
    groups: dict = {}
    for entry in waiting:
        groups.setdefault((entry[2].device, entry[2].dtype), []).append(entry)
    for entries in groups.values():
        numbers = torch.stack([t.reshape(()) for _, _, t, _ in entries]).tolist()
        for (buffer, i, _, count), number in zip(entries, numbers, strict=True):
            buffer._pending[i] = (number, count)
    for buffer in buffers:
        pending, buffer._pending = buffer._pending, []
        for number, count in pending:
            buffer._append(number, count)


class AVMessageHub(MessageHub):
    """mmengine's message hub with :class:`BoundedBuffer` and a state of plain data.

    Args:
        name: Name of the run.
        max_length: Number of values kept of each scalar.
    """

    def __init__(self, name: str, log_scalars: dict | None = None, runtime_info: dict | None = None,
                 resumed_keys: dict | None = None, max_length: int = 1000):
        super().__init__(name, log_scalars, runtime_info, resumed_keys)
        self.max_length = max_length

    @classmethod
    def create(cls, name: str) -> AVMessageHub:
        """A new hub that everybody who asks for the current one gets, whatever was called ``name`` before."""
        hub = cls(name)
        MessageHub._instance_dict.pop(name, None)
        MessageHub._instance_dict[name] = hub
        return hub

    def update_scalar(self, key: str, value, count: int = 1, resumed: bool = True) -> None:
        """Log ``value``; a tensor of one element stays on its device until somebody reads the log."""
        buffer = self._log_scalars.get(key)
        if buffer is None:
            self._set_resumed_keys(key, resumed)
            buffer = self._log_scalars[key] = BoundedBuffer(max_length=self.max_length)
        if not isinstance(value, (Tensor, float, int)):
            value = self._get_valid_value(value)
        buffer.update(value, count)

    def start_epoch(self, mode: str) -> None:
        """Begin new epoch statistics of every scalar of ``mode`` (``train``, ``val``, ``test``)."""
        for key, buffer in self._log_scalars.items():
            if key.startswith(f'{mode}/'):
                buffer.start_epoch()

    def flush(self) -> None:
        """Bring every waiting scalar to the host at once."""
        flush(list(self._log_scalars.values()))

    def get_scalar(self, key: str) -> BoundedBuffer:
        """The buffer of a scalar."""
        return super().get_scalar(key)

    def state_dict(self) -> dict:
        """Scalars and infos that are to be resumed, as plain data; an info that is something else is left out."""
        self.flush()
        keep = {k for k, resumed in self._resumed_keys.items() if resumed}
        return dict(
            log_scalars={k: b.state() for k, b in self._log_scalars.items() if k in keep},
            runtime_info=plain({k: v for k, v in self._runtime_info.items() if k in keep}, drop=True),
            resumed_keys=dict(self._resumed_keys))

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state of :meth:`state_dict`, or that of a trusted mmengine checkpoint."""
        for key, state in state_dict['log_scalars'].items():
            if isinstance(state, HistoryBuffer):
                values, counts = state.data
                buffer = BoundedBuffer(values.tolist(), [int(c) for c in counts], self.max_length)
            else:
                buffer = BoundedBuffer.from_state(state)
            self._log_scalars[key] = buffer
        self._runtime_info.update(copy.deepcopy(state_dict['runtime_info']))
        known = {*self._log_scalars, *self._runtime_info}
        self._resumed_keys.update({k: v for k, v in state_dict['resumed_keys'].items() if k in known})


@LOG_PROCESSORS.register_module()
class LogProcessor(_LogProcessor):
    """mmengine's log processor; windows of an epoch or of the whole run cost the same as one of ten values.

    Takes the arguments of ``mmengine.runner.LogProcessor``.
    """

    def get_log_after_iter(self, runner, batch_idx: int, mode: str):
        """The log line of an iteration; all scalars cross to the host together."""
        if isinstance(runner.message_hub, AVMessageHub):
            runner.message_hub.flush()
        return super().get_log_after_iter(runner, batch_idx, mode)

    def _parse_windows_size(self, runner, batch_idx: int, custom_cfg: list | None = None) -> list:
        custom_cfg = copy.deepcopy(self.custom_cfg if custom_cfg is None else custom_cfg)
        for log_cfg in custom_cfg:
            window = log_cfg.get('window_size')
            if not (window is None or isinstance(window, int) or window in ('epoch', 'global')):
                raise TypeError(f'window_size is an integer, "epoch" or "global", not {window!r}')
        return custom_cfg

    def _collect_scalars(self, custom_cfg: list, runner, mode: str, reserve_prefix: bool = False) -> dict:
        tag = OrderedDict()
        for full, buffer in runner.message_hub.log_scalars.items():
            if not full.startswith(f'{mode}/'):
                continue
            key = full if reserve_prefix else full[len(mode) + 1:]
            smooth = self.mean_pattern.search(key) is not None
            tag[key] = buffer.mean(self.window_size) if smooth else buffer.current()
        for log_cfg in copy.deepcopy(custom_cfg):
            source = log_cfg.pop('data_src')
            name = log_cfg.pop('log_name', source)
            prefix = f'{mode}/' if reserve_prefix else ''
            buffer = runner.message_hub.log_scalars.get(f'{mode}/{source}')
            if buffer is not None:
                tag[prefix + name] = buffer.statistics(**log_cfg)
        return tag
