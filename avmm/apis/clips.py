"""What a user hands to an inferencer, and how a file becomes what the data set's own files would give."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from avmm.datasets import AVClipDataset
from avmm.datasets.transforms import (
    AVTransform,
    CachedSpectrogram,
    LoadAudio,
    LoadFrames,
    LoadVideoFrames,
    PackAVInputs,
)
from avmm.datasets.transforms.loading_frames import IMAGE_SUFFIXES
from avmm.media import NoSoundError, VideoFrames, check_file, read_video_audio
from avmm.media.writing import shrink
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError, DataError, optional_import

#: Files of sound alone that need no container of a video.
AUDIO_SUFFIXES = ('.wav', '.flac', '.ogg', '.mp3')
#: Formats that lead to other files or addresses, which a stranger's file must not do.
_PLAYLISTS = {'concat', 'hls', 'dash', 'imf', 'sdp'}
#: What a dictionary may name instead of one file.
KEYS = ('video_path', 'audio_path', 'frame_dir', 'frame_paths', 'image_path', 'sample_id')


@dataclass(frozen=True)
class Streams:
    """What a media file holds.

    Attributes:
        visual: Whether there are moving pictures; the cover of a song is none.
        audio: Whether there is a sound track.
        seconds: Length of the file; None if it does not say.
    """
    visual: bool
    audio: bool
    seconds: float | None


def probe(path: str | os.PathLike) -> Streams:
    """Look into a media file without decoding it.

    Raises:
        DataError: If the file is missing, empty, truncated, no media file, or a list of others.
    """
    check_file(path)
    av = optional_import('av', 'video')
    try:
        with av.open(os.fspath(path)) as container:
            if _PLAYLISTS & set(container.format.name.split(',')):
                raise DataError(f'{path}: a list of other files, which is not followed, and no video')
            pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            seconds = None if container.duration is None else container.duration / av.time_base
            return Streams(bool(pictures), bool(container.streams.audio), seconds)
    except (av.error.FFmpegError, ValueError):
        raise DataError(f'{path}: not a readable video file') from None


def describe(item: str | os.PathLike | Mapping) -> tuple[str, dict]:
    """The name of an item for the user, and the keys that a pipeline starts from.

    Args:
        item: A video, a file of sound, an image, a folder of images; or a dictionary with some of ``video_path``,
            ``audio_path``, ``frame_dir``, ``frame_paths``, ``image_path`` and ``sample_id``.

    Returns:
        The name, and ``{'sample_id': str, ..., 'streams': Streams}``; ``streams`` belongs to a ``video_path``.

    Raises:
        ConfigError: If a dictionary has other keys.
        DataError: If a file is missing, empty, truncated, or holds neither pictures nor sound.
    """
    if isinstance(item, Mapping):
        results = _from_mapping(item)
    elif isinstance(item, (str, os.PathLike)):
        results = _from_path(os.fspath(item))
    else:
        raise ConfigError(f'an input is a path or a dictionary, got {type(item).__name__}')
    paths = [results[key] for key in ('video_path', 'frame_dir', 'audio_path') if key in results]
    name = str((paths or results['frame_paths'])[0])
    results.setdefault('sample_id', Path(name).stem or name)
    if 'video_path' in results:
        streams = results['streams'] = probe(results['video_path'])
        if not (streams.visual or streams.audio):
            raise DataError(f'{name}: the file holds neither pictures nor sound')
    return name, results


def _from_mapping(item: Mapping) -> dict:
    unknown = set(item) - set(KEYS)
    if unknown or not set(item) - {'sample_id'}:
        raise ConfigError(f'an input names some of {", ".join(KEYS)}; got {", ".join(map(str, item)) or "nothing"}')
    results = dict(item)
    if 'image_path' in results:
        results['frame_paths'] = [results.pop('image_path')]
    return {key: [os.fspath(p) for p in value] if key == 'frame_paths' else os.fspath(value)
            for key, value in results.items()}


def _from_path(path: str) -> dict:
    if os.path.isdir(path):
        return dict(frame_dir=path)
    check_file(path)
    lower = path.lower()
    if lower.endswith(AUDIO_SUFFIXES):
        return dict(audio_path=path)
    return dict(frame_paths=[path]) if lower.endswith(IMAGE_SUFFIXES) else dict(video_path=path)


class ClipSound(AVTransform):
    """The sound of a file, read as the preparation of the data set would have written it.

    Args:
        load: The step of the config.
        rate: Rate (Hz) of the mono wav of 16 bits that the preparation makes of a sound track; None if it makes none.
    """

    def __init__(self, load: LoadAudio, rate: int | None):
        self.load = load
        self.rate = rate

    def transform(self, results: dict) -> dict:
        """Load the waveform."""
        if self.rate is None or 'audio_path' in results or 'video_path' not in results:
            return self.load(results)
        try:
            samples, rate = read_video_audio(results['video_path'], self.rate, mono=True)
        except NoSoundError:
            if self.load.without_sound == 'error':
                raise
            return results
        if self.load.max_seconds is not None:
            samples = samples[:, :round(self.load.max_seconds * rate)]
        return dict(results, audio=torch.from_numpy(samples), sample_rate=rate)


class ClipFrames(AVTransform):
    """Frames of a file: those that the preparation would have made images of, chosen as the config chooses images.

    Args:
        load: The step of the config.
        data: The data set, whose preparation counts.
    """

    def __init__(self, load: LoadFrames | LoadVideoFrames, data: AVClipDataset):
        self.load = load
        self.data = data

    def transform(self, results: dict) -> dict:
        """Load the chosen frames."""
        if 'frame_dir' in results or 'frame_paths' in results:
            return self._stills()(results)
        if 'video_path' not in results or not results['streams'].visual:
            return results
        if isinstance(self.load, LoadVideoFrames):
            return self.load(results)
        video = VideoFrames(results['video_path'])
        kept = np.asarray(self._rule(len(video), video))
        chosen = self.load.sampler.choose(len(kept), results.get('rng'), video.path)
        frames = [shrink(Image.fromarray(frame), self.data.SHORT_SIDE) for frame in video.get(kept[chosen])]
        if self.load.backend != 'pillow':
            frames = [np.asarray(frame) for frame in frames]
        return dict(results, frames=frames, frame_indices=kept[chosen])

    def _stills(self) -> LoadFrames:
        if isinstance(self.load, LoadFrames):
            return self.load
        stills = LoadFrames(sampling='all', backend=self.load.backend)
        stills.sampler = self.load.sampler
        return stills

    def _rule(self, count: int, video: VideoFrames) -> list[int]:
        try:
            return self.data.frames_of_video(count, video.fps)
        except DataError as error:
            raise DataError(f'{video.path}: {error}') from None


def file_pipeline(steps: Sequence[dict], data: AVClipDataset) -> list[AVTransform]:
    """The steps of a config's pipeline, for files instead of clips of the data set.

    Steps that load read a video as well; nothing is kept in a cache.

    Args:
        steps: Configs of the steps.
        data: The data set that they belong to.

    Raises:
        ConfigError: If the pipeline does not end with ``PackAVInputs``.
    """
    built = [step for cfg in steps for step in _for_files(TRANSFORMS.build(dict(cfg)), data)]
    if not built or not isinstance(built[-1], PackAVInputs):
        raise ConfigError('the pipeline of the test data set must end with PackAVInputs to serve for files')
    return built


def _for_files(step, data: AVClipDataset) -> list:
    if isinstance(step, CachedSpectrogram):
        return [part for inner in step.transforms for part in _for_files(inner, data)]
    if isinstance(step, LoadAudio):
        return [ClipSound(step, data.SOUND_RATE)]
    if isinstance(step, (LoadFrames, LoadVideoFrames)):
        return [ClipFrames(step, data)]
    return [step]
