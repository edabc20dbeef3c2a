"""What is wrong with the files of a clip."""
from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from avmm.utils.errors import DataError

#: Findings that make a clip unusable as it is; ``'no sound'`` is a property that models and transforms handle.
WRONG = ('missing', 'unreadable', 'too short')


@dataclass
class Finding:
    """Something about one file of one clip.

    Attributes:
        kind: One of :data:`WRONG`, or ``'no sound'`` for a video without a sound track.
        file: The file or folder.
        message: One line for the user.
    """
    kind: str
    file: str
    message: str


def check_clip(paths: dict, min_seconds: float = 0.0, min_frames: int = 1, decode: bool = True) -> list[Finding]:
    """Read every file of a clip.

    Args:
        paths: Any of ``audio_path``, ``frame_dir``, ``frame_paths`` and ``video_path``, as a clip of a data set has
            them.
        min_seconds: Shortest sound, in s.
        min_frames: Smallest number of frames.
        decode: Whether to decode the files; otherwise only their presence and their headers are looked at.
    """
    findings: list[Finding] = []
    if 'audio_path' in paths:
        findings += _guarded(paths['audio_path'], _check_audio, min_seconds, decode)
    if 'frame_dir' in paths:
        findings += _guarded(paths['frame_dir'], _check_folder, min_frames, decode)
    for path in paths.get('frame_paths', ()):
        findings += _guarded(path, _check_image, decode)
    if 'video_path' in paths:
        # The sound track counts only where there is no sound file.
        seconds = None if 'audio_path' in paths else min_seconds
        findings += _guarded(paths['video_path'], _check_video, min_frames, seconds, decode)
    return findings


def _guarded(path: str, check, *args) -> list[Finding]:
    try:
        return list(check(path, *args))
    except DataError as error:
        kind = 'unreadable' if os.path.exists(path) else 'missing'
        return [Finding(kind, os.fspath(path), str(error))]


def _check_audio(path: str, min_seconds: float, decode: bool) -> Iterator[Finding]:
    import soundfile

    from avmm.media import check_file, read_audio
    if decode:
        samples, rate = read_audio(path)
        seconds = samples.shape[1] / rate
    else:
        check_file(path)
        try:
            seconds = soundfile.info(path).duration
        except soundfile.LibsndfileError as error:
            raise DataError(f'{path}: not a readable audio file') from error
    yield from _short(path, seconds, min_seconds)


def _short(path: str, seconds: float, min_seconds: float) -> Iterator[Finding]:
    if seconds < min_seconds:
        yield Finding('too short', path, f'{path}: {seconds:.2f} s of sound, {min_seconds:g} are needed')


def _check_folder(folder: str, min_frames: int, decode: bool) -> Iterator[Finding]:
    from avmm.datasets.transforms.loading_frames import list_frames
    frames = list_frames(folder)
    if len(frames) < min_frames:
        yield Finding('too short', folder, f'{folder}: {len(frames)} frames, {min_frames} are needed')
    for frame in frames:
        yield from _guarded(frame, _check_image, decode)


def _check_image(path: str, decode: bool) -> Iterator[Finding]:
    from avmm.media import check_file, read_image
    if decode:
        read_image(path)
    else:
        check_file(path)
    yield from ()


def _check_video(path: str, min_frames: int, min_seconds: float | None, decode: bool) -> Iterator[Finding]:
    from avmm.media import NoSoundError, VideoFrames, check_file, read_video_audio
    if not decode:
        check_file(path)
        return
    video = VideoFrames(path)
    if len(video) < min_frames:
        yield Finding('too short', path, f'{path}: {len(video)} frames, {min_frames} are needed')
    video.get(sorted({0, len(video) - 1}))
    if min_seconds is None:
        return
    try:
        samples, rate = read_video_audio(path)
    except NoSoundError as error:
        yield Finding('no sound', path, str(error))
    else:
        yield from _short(path, samples.shape[1] / rate, min_seconds)
