"""Spectrograms that are computed once."""
from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch

from avmm.datasets.transforms.array_cache import ArrayCache
from avmm.datasets.transforms.base import AVTransform
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError
from avmm.utils.paths import resolve_data_root

# Raised when the numbers of a step change, so that older caches are not used.
_VERSION = 1


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
        options = json.dumps([_VERSION, dtype, [dict(cfg) for cfg in transforms]], sort_keys=True, default=repr)
        self._cache = None if cache_dir is None else ArrayCache(
            self.cache_dir, dtype, options, 'spectrograms', '.spec')

    def transform(self, results: dict) -> dict:
        """Read the spectrogram, or compute and keep it."""
        source = results.get('audio_path') or results.get('video_path')
        place = None if self._cache is None or source is None else self._cache.place(source)
        if place is None:
            return self._compute(results)
        cached = self._cache.read(place)
        if cached is None:
            results = self._compute(results)
            if 'audio' not in results:
                return results
            cached = results['audio'].numpy().astype(self.dtype)
            self._cache.write(place, cached)
        # The first use gives the same numbers as all later ones, in half precision as well.
        results['audio'] = torch.from_numpy(cached.astype(np.float32, copy=False))
        return results

    def _compute(self, results: dict) -> dict:
        for step in self.transforms:
            results = step(results)
        return results
