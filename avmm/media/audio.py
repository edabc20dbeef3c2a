"""Sound of audio files and of videos."""
from __future__ import annotations

import os

import numpy as np

from avmm.media.check import check_file
from avmm.utils import DataError, optional_import

# decord does not tell the rate of a track; the length after resampling to this one does.
_PROBE_RATE = 16000
_COMMON_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)


class NoSoundError(DataError):
    """A video has no sound track."""


def read_audio(path: str | os.PathLike, start: float = 0.0, duration: float | None = None) -> tuple[np.ndarray, int]:
    """Read an audio file (wav, flac, ogg, mp3).

    Args:
        path: The file.
        start: Beginning of the part to read, in s.
        duration: Length of the part to read, in s. None reads to the end.

    Returns:
        Samples as float32 ``(channels, L)`` in [-1, 1], and their rate in Hz.

    Raises:
        DataError: If the file is missing, empty, truncated, or not audio.
    """
    import soundfile
    check_file(path)
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            rate, available = file.samplerate, file.frames
            first = min(round(start * rate), available)
            wanted = available - first if duration is None else min(round(duration * rate), available - first)
            if first:
                file.seek(first)
            samples = file.read(wanted, dtype='float32', always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f'{path}: not a readable audio file ({_reason(error)})') from None
    if available == 0:
        raise DataError(f'{path}: the audio file holds no samples')
    if len(samples) < wanted:
        raise DataError(f'{path}: the file is truncated ({len(samples)} of {wanted} samples)')
    return np.ascontiguousarray(samples.T), rate


def read_video_audio(path: str | os.PathLike, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read the sound track of a video with decord.

    Args:
        path: The video file.
        sample_rate: Rate in Hz that the decoder shall resample to. None keeps that of the track.

    Returns:
        Samples as float32 ``(channels, L)`` in [-1, 1], and their rate in Hz.

    Raises:
        NoSoundError: If the video has no sound track.
        DataError: If the file is missing, empty, truncated, or not a video.
    """
    check_file(path)
    samples = _decode(path, sample_rate or -1)
    if samples.size == 0:
        raise DataError(f'{path}: the sound track holds no samples')
    return samples, sample_rate or _native_rate(path, samples.shape[1])


def _decode(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    decord = optional_import('decord', 'video')
    try:
        return decord.AudioReader(os.fspath(path), sample_rate=sample_rate, mono=False)[:].asnumpy()
    except (RuntimeError, decord.DECORDError) as error:
        if "Can't find audio stream" in str(error):
            raise NoSoundError(f'{path}: the video has no sound track') from None
        raise DataError(f'{path}: the sound track cannot be decoded') from None


def _native_rate(path: str | os.PathLike, count: int) -> int:
    """Rate in Hz of a track of ``count`` samples: a common one within 1 % of the estimate, or the estimate."""
    estimate = count / _decode(path, _PROBE_RATE).shape[1] * _PROBE_RATE
    nearest = min(_COMMON_RATES, key=lambda rate: abs(rate - estimate))
    return nearest if abs(nearest - estimate) < 0.01 * nearest else round(estimate)


def _reason(error: Exception) -> str:
    return str(error).rsplit(': ', 1)[-1].strip().rstrip('.')
