"""Sound of audio files and of videos."""
from __future__ import annotations

import os
from itertools import chain

import numpy as np

from avmm.media.check import check_file
from avmm.utils import DataError, optional_import


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
            # libsndfile takes seven times as long to make floats of 16 bits itself.
            short = file.subtype == 'PCM_16'
            read = file.read(wanted, dtype='int16' if short else 'float32', always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f'{path}: not a readable audio file ({_reason(error)})') from None
    if available == 0:
        raise DataError(f'{path}: the audio file holds no samples')
    if len(read) < wanted:
        raise DataError(f'{path}: the file is truncated ({len(read)} of {wanted} samples)')
    if not short:
        return np.ascontiguousarray(read.T), rate
    samples = np.empty(read.shape[::-1], np.float32)
    return np.multiply(read.T, np.float32(1 / 32768), out=samples), rate


def read_video_audio(path: str | os.PathLike, sample_rate: int | None = None,
                     mono: bool = False) -> tuple[np.ndarray, int]:
    """Read the sound track of a video with PyAV.

    Args:
        path: The video file.
        sample_rate: Rate in Hz that the decoder shall resample to. None keeps that of the track.
        mono: Whether the decoder shall mix the channels and round to 16 bits, as ``ffmpeg -ac 1`` does for a wav.

    Returns:
        Samples as float32 ``(channels, L)`` in [-1, 1], and their rate in Hz.

    Raises:
        NoSoundError: If the video has no sound track.
        DataError: If the file is missing, empty, truncated, or not a video.
    """
    check_file(path)
    # decord 0.6 decodes sound too, but leaves most of a second channel unwritten, and adds channels up to 1.4 times.
    av = optional_import('av', 'video')
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.audio:
                raise NoSoundError(f'{path}: the video has no sound track')
            track = container.streams.audio[0]
            # Mixed as floats, two channels could add up to more than 1; ffmpeg weighs them otherwise for integers.
            kind = ('s16p', 'mono') if mono else ('fltp', None)
            resampler = av.AudioResampler(*kind, rate=sample_rate)
            parts = [part.to_ndarray() for frame in chain(container.decode(track), [None])
                     for part in resampler.resample(frame)]
            rate = sample_rate or track.rate
    except av.error.FFmpegError as error:
        raise DataError(f'{path}: the sound track cannot be decoded') from error
    if not parts:
        raise DataError(f'{path}: the sound track holds no samples')
    samples = np.concatenate(parts, axis=1)
    return (samples / np.float32(32768) if mono else samples), rate


def _reason(error: Exception) -> str:
    return str(error).rsplit(': ', 1)[-1].strip().rstrip('.')
