"""Sound of a clip: an audio file, or the sound track of a video."""
from __future__ import annotations

import torch

from avmm.datasets.transforms.base import AVTransform
from avmm.media import NoSoundError, read_audio, read_video_audio
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError


@TRANSFORMS.register_module()
class LoadAudio(AVTransform):
    """Load the waveform of a clip.

    Required Keys:

    - audio_path (str), or video_path (str) where there is no audio_path

    Added Keys:

    - audio (float32 tensor ``(channels, L)`` in [-1, 1])
    - sample_rate (int, Hz)

    Args:
        mono: Whether several channels are averaged into one.
        max_seconds: Longest part to read, from the beginning, in s. None reads everything.
        without_sound: What to do with a video without a sound track: leave the modality ``'absent'`` or raise an
            ``'error'``.
        video_sample_rate: Rate in Hz to which the decoder resamples a sound track. None keeps its own.
    """

    def __init__(self, mono: bool = True, max_seconds: float | None = None, without_sound: str = 'absent',
                 video_sample_rate: int | None = None):
        if without_sound not in ('absent', 'error'):
            raise ConfigError(f"without_sound must be 'absent' or 'error', got {without_sound!r}")
        self.mono = mono
        self.max_seconds = max_seconds
        self.without_sound = without_sound
        self.video_sample_rate = video_sample_rate

    def transform(self, results: dict) -> dict:
        """Load the waveform."""
        if 'audio_path' in results:
            samples, rate = read_audio(results['audio_path'], duration=self.max_seconds)
        elif 'video_path' in results:
            try:
                samples, rate = read_video_audio(results['video_path'], self.video_sample_rate)
            except NoSoundError:
                if self.without_sound == 'error':
                    raise
                return results
            if self.max_seconds is not None:
                samples = samples[:, :round(self.max_seconds * rate)]
        else:
            return results
        audio = torch.from_numpy(samples)
        if self.mono and len(audio) > 1:
            audio = audio.mean(0, keepdim=True)
        results['audio'] = audio
        results['sample_rate'] = rate
        return results
