"""The step of a pipeline."""
from __future__ import annotations

from abc import ABC, abstractmethod


class AVTransform(ABC):
    """Base of all steps of a pipeline: a results dict in, a results dict out.

    Every random choice draws from ``results['rng']``, a NumPy generator that belongs to one draw of one sample, and
    from nothing else. A modality that a sample lacks has no key, and steps of that modality then do nothing.
    """

    #: Whether two draws of one sample can differ after this step; the cache of spectrograms refuses such steps.
    random = False

    def __call__(self, results: dict) -> dict:
        return self.transform(results)

    @abstractmethod
    def transform(self, results: dict) -> dict:
        """Change ``results`` and return it."""

    def __repr__(self) -> str:
        options = ', '.join(f'{k}={v!r}' for k, v in vars(self).items() if not k.startswith('_'))
        return f'{type(self).__name__}({options})'


def clip_name(results: dict, keys: tuple[str, ...] = ('audio_path', 'video_path', 'sample_id')) -> str:
    """What to call a clip in an error: its file, or its id."""
    return next((str(results[key]) for key in keys if key in results), 'clip')
