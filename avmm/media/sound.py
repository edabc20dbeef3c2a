"""Sound of any file, or of a part of it."""
from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch

from avmm.media.audio import NoSoundError, read_audio
from avmm.media.check import check_file
from avmm.media.packets import clock_start
from avmm.media.resampling import resample
from avmm.utils import DataError, optional_import

#: Files that libsndfile reads, and seeks in to the sample.
AUDIO_SUFFIXES = ('.wav', '.flac', '.ogg', '.mp3', '.aif', '.aiff', '.au')
# A decoder that starts in the middle is right after so long, in s: overlapping windows, the bit reservoir of mp3.
_PRE_ROLL = 0.3
# Containers round their time stamps to milliseconds; a smaller gap at the beginning is none.
_ROUNDING = 0.002


def read_sound(path: str | os.PathLike, sample_rate: int | None = None, mono: bool = False, start: float = 0.0,
               duration: float | None = None, resampling: str = 'sinc_hann') -> tuple[np.ndarray, int]:
    """Read the sound of a video or of an audio file, or of a part of it, without decoding what lies before.

    The clock is that of the frames: it begins with the earliest track. Where the sound begins later than the picture
    there is silence before it. Where it ends before the picture, or before the part that is asked for, there are fewer
    samples; where it is longer than the picture, the rest is read too.

    Args:
        path: A video, or a file of sound.
        sample_rate: Rate in Hz to resample to. None keeps that of the file.
        mono: Whether the channels are averaged into one.
        start: Beginning of the part in s.
        duration: Its length in s. None reads to the end.
        resampling: Kernel for another rate; see :func:`avmm.media.resampling.resample`.

    Returns:
        Samples as float32 ``(channels, L)`` in [-1, 1], and their rate in Hz.

    Raises:
        NoSoundError: If a video has no sound track.
        DataError: If the file is missing, empty, truncated or has no sound at ``start``, or a packet of it is broken.
    """
    samples, rate = _read(path, max(0.0, start), duration)
    if not samples.shape[1]:
        raise DataError(f'{path}: the sound ends before {start:g} s')
    if mono and len(samples) > 1:
        samples = samples.mean(0, keepdims=True)
    if sample_rate is None or sample_rate == rate:
        return samples, rate
    return resample(torch.from_numpy(samples), rate, sample_rate, kernel=resampling).numpy(), sample_rate


def _read(path: str | os.PathLike, start: float, duration: float | None) -> tuple[np.ndarray, int]:
    if not os.fspath(path).lower().endswith(AUDIO_SUFFIXES):
        return _read_track(path, start, duration)
    try:
        return read_audio(path, start, duration)
    except DataError as error:
        if 'not a readable audio file' not in str(error):
            raise
        # Some files of these names hold what libsndfile does not know.
        try:
            return _read_track(path, start, duration)
        except DataError:
            raise error from None


def _read_track(path: str | os.PathLike, start: float, duration: float | None) -> tuple[np.ndarray, int]:
    """A part of the first sound track, with PyAV."""
    check_file(path)
    av = optional_import('av', 'video')
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.audio:
                raise NoSoundError(f'{path}: the video has no sound track')
            track = container.streams.audio[0]
            if track.codec_context is None or not track.rate:
                raise DataError(f'{path}: the sound track is of an unknown kind')
            rate = track.rate
            first = round(start * rate)
            last = None if duration is None else first + round(duration * rate)
            if start > _PRE_ROLL:
                unit = float(track.time_base)
                container.seek(int((start - _PRE_ROLL + clock_start(container)) / unit), stream=track, backward=True)
            parts = list(_parts(av, container, track, first, last))
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(f'{path}: the sound track cannot be decoded') from error
    if not parts:
        if start:
            raise DataError(f'{path}: the sound ends before {start:g} s')
        raise DataError(f'{path}: the sound track holds no samples')
    return np.concatenate(parts, axis=1), rate


def _parts(av, container, track, first: int, last: int | None) -> Iterator[np.ndarray]:
    """Decoded samples ``(channels, L)`` from sample ``first`` to ``last`` of the clock of the file."""
    resampler = av.AudioResampler('fltp', None, track.rate)
    place = None
    for frame in container.decode(track):
        if place is None:
            place = _first_sample(container, frame, track.rate)
            if place > first:
                silence = place if last is None else min(place, last)
                yield np.zeros((frame.layout.nb_channels, silence - first), np.float32)
        for part in resampler.resample(frame):
            end = place + part.samples
            if end > first and (last is None or place < last):
                samples = part.to_ndarray()
                # A copy, where only a part is kept of what the decoder gave.
                yield samples[:, max(0, first - place):None if last is None else last - place].copy()
            place = end
        if last is not None and place >= last:
            return


def _first_sample(container, frame, rate: int) -> int:
    """Place of the first sample of a frame on the clock of the file."""
    if frame.pts is None:
        return 0
    seconds = float(frame.pts * frame.time_base) - clock_start(container)
    return 0 if abs(seconds) < _ROUNDING else round(seconds * rate)
