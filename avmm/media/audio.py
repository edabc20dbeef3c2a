"""Sound of audio files and of videos."""
from __future__ import annotations

import os

import numpy as np

from avmm.media.check import check_file
from avmm.utils import DataError, optional_import

# decord tells how many samples a track has and how long it is, not its rate.
_COMMON_RATES = np.array([8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000])


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
    decord = optional_import('decord', 'video')
    try:
        reader = decord.AudioReader(os.fspath(path), sample_rate=sample_rate or -1, mono=False)
        samples = reader[:].asnumpy()
        seconds = float(reader.duration())
    except (RuntimeError, decord.DECORDError) as error:
        if "Can't find audio stream" in str(error):
            raise NoSoundError(f'{path}: the video has no sound track') from None
        raise DataError(f'{path}: the sound track cannot be decoded') from None
    if samples.size == 0:
        raise DataError(f'{path}: the sound track holds no samples')
    return samples, sample_rate or _native_rate(path, samples.shape[1], seconds)


def _native_rate(path, count: int, seconds: float) -> int:
    estimate = count / seconds if seconds > 0 else 0.0
    nearest = int(_COMMON_RATES[np.abs(_COMMON_RATES - estimate).argmin()])
    if abs(estimate - nearest) > 0.04 * nearest:
        raise DataError(f'{path}: the sample rate of the sound track is unclear (about {estimate:.0f} Hz); '
                        'name the rate to decode to')
    return nearest


def _reason(error: Exception) -> str:
    return str(error).rsplit(': ', 1)[-1].strip().rstrip('.')
