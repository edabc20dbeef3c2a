"""Spectrograms that are computed once."""
from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from avmm.datasets.transforms.base import AVTransform
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError
from avmm.utils.paths import resolve_data_root

# Raised when the numbers of a step change, so that older caches are not used.
_VERSION = 1
# Reading this costs a fifth of reading an npy file.
_HEADER = np.dtype([('magic', 'S4'), ('shape', '<i4', 3)])
_MAGIC = b'AVSP'


@TRANSFORMS.register_module()
class CachedSpectrogram(AVTransform):
    """Run the steps that lead to a spectrogram once for each clip, and read its result from disk afterwards.

    The name of a cached file is a hash of the path, size and modification time of the sound, and of all options of the
    steps: a changed file or option is computed anew. Files are written under another name and then renamed, so that
    workers and killed runs never leave half a file; one that cannot be read is computed again. Steps behind this one,
    such as ``SpecAugment``, stay random.

    Required Keys:

    - audio_path (str), or video_path (str)

    Added Keys:

    - audio, as the steps leave it

    Args:
        transforms: Configs of the steps, from ``LoadAudio`` on; none of them may be random.
        cache_dir: Folder of the cache; a folder ``spectrograms`` is fine for several data sets; a
            leading ``data`` is replaced by ``$AVMM_DATA``. None runs the steps each time.
        dtype: ``'float32'``, or ``'float16'`` for half the space with about three digits.
    """

    def __init__(self, transforms: Sequence[dict], cache_dir: str | None = None, dtype: str = 'float32'):
        if dtype not in ('float32', 'float16'):
            raise ConfigError(f"dtype must be 'float32' or 'float16', got {dtype!r}")
        self.transforms = [TRANSFORMS.build(dict(cfg)) for cfg in transforms]
        for step in self.transforms:
            if step.random:
                raise ConfigError(f'{type(step).__name__} is random and cannot be cached; put it behind '
                                  'CachedSpectrogram')
        self.cache_dir = None if cache_dir is None else resolve_data_root(cache_dir)
        self.dtype = dtype
        self._options = json.dumps([_VERSION, dtype, [dict(cfg) for cfg in transforms]], sort_keys=True, default=repr)
        self._can_write = True

    def transform(self, results: dict) -> dict:
        """Read the spectrogram, or compute and keep it."""
        source = results.get('audio_path') or results.get('video_path')
        place = self._place(source)
        if place is None:
            return self._compute(results)
        cached = _read(place, self.dtype)
        if cached is None:
            results = self._compute(results)
            if 'audio' not in results:
                return results
            cached = results['audio'].numpy().astype(self.dtype)
            if self._can_write:
                self._write(place, cached)
        # The first use gives the same numbers as all later ones, in half precision as well.
        results['audio'] = torch.from_numpy(cached.astype(np.float32, copy=False))
        return results

    def _compute(self, results: dict) -> dict:
        for step in self.transforms:
            results = step(results)
        return results

    def _place(self, source: str | None) -> str | None:
        """File of the cache for ``source``; None where there is nothing to cache or nowhere to keep it."""
        if self.cache_dir is None or source is None:
            return None
        try:
            state = os.stat(source)
        except OSError:
            return None
        key = f'{os.path.abspath(source)}\n{state.st_size}\n{state.st_mtime_ns}\n{self._options}'
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return os.path.join(self.cache_dir, name[:2], f'{name}.spec')

    def _write(self, place: str, array: np.ndarray) -> None:
        folder, temporary = os.path.dirname(place), None
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix='.part', delete=False) as file:
                temporary = file.name
                file.write(np.array((_MAGIC, array.shape), _HEADER).tobytes() + array.tobytes())
            os.replace(temporary, place)
        except OSError as error:
            # A full or read-only disk costs speed, not the run.
            self._can_write = False
            if temporary is not None and os.path.exists(temporary):
                os.unlink(temporary)
            warnings.warn(f'{self.cache_dir}: spectrograms are not cached any more ({error.strerror})', stacklevel=2)


def _read(place: str, dtype: str) -> np.ndarray | None:
    """The array ``(C, F, T)`` of a cached file; None if it is absent or damaged."""
    try:
        with open(place, 'rb', buffering=0) as file:
            data = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
            if file.readinto(data) != len(data) or len(data) < _HEADER.itemsize:
                return None
    except OSError:
        return None
    magic, shape = data[:_HEADER.itemsize].view(_HEADER)[0]
    values = data[_HEADER.itemsize:]
    if magic != _MAGIC or len(values) != np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize:
        return None
    return values.view(dtype).reshape(shape)
