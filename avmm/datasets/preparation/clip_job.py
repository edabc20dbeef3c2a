"""One clip of a downloaded data set becomes the files that the data set reads."""
from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avmm.datasets.av_clip_dataset import AVClipDataset, read_rows
from avmm.datasets.transforms.loading_frames import IMAGE_SUFFIXES
from avmm.media import VideoFrames, read_audio, read_image, read_video_audio, replacing, write_jpg, write_wav
from avmm.utils import DataError

VIDEO_SUFFIXES = ('.mp4', '.avi', '.flv', '.mkv', '.webm', '.mov')
_LFS_POINTER = b'version https://git-lfs'


def scratch_of(out: Path) -> Path:
    """The folder for what is unfinished."""
    return out / '.unfinished'


def walk_files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files with these suffixes in a folder and below, links followed, hidden ones left out."""
    for root, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in names:
            if name.lower().endswith(suffixes) and not name.startswith('.'):
                yield Path(root, name)


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder with these suffixes by their name without it, in the order of the file system.

    Raises:
        DataError: If the folder cannot be read.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f'{folder}: the folder cannot be read ({error.strerror})') from None
    return {Path(name).stem: folder / name for name in names
            if name.lower().endswith(suffixes) and not name.startswith('.')}


@dataclass(frozen=True)
class Pictures:
    """Pictures to take from a video.

    Attributes:
        target: The jpg to make of the first frame, or the folder to make if there is a ``rule``.
        rule: Gives the file names of the wanted frames by their index, from the number of frames and the frames a
            second; raises :class:`DataError` for a video that does not serve.
    """
    target: Path
    rule: Callable[[int, float], dict[int, str]] | None = None


@dataclass(frozen=True)
class ClipJob:
    """What a clip is made from, and where it goes.

    Attributes:
        clip: Name of the clip.
        part: ``'train'`` or ``'test'``.
        line: Its line of the list that is written at the end.
        list_file: Name of this list.
        picture: A video or an image; None if there is none.
        sound: A wav, which is copied, or a video with a sound track; None if there is none.
        pictures: What to take from ``picture``.
        sound_target: The wav to make.
        out: Folder of the data set, which also has what is unfinished.
        sound_rate: Rate (Hz) of the mono wav that is made of a sound track.
        short_side: Longest shorter side of the pictures, in pixels; None keeps their size.
        link: Whether files that stay as they are become hard links where that is possible.
        short_sound: Sounds shorter than this (s) are noted in the report.
        note: Something else for the report.
    """
    clip: str
    part: str
    line: str
    list_file: str
    picture: Path | None
    sound: Path | None
    pictures: tuple[Pictures, ...]
    sound_target: Path
    out: Path
    sound_rate: int = 16000
    short_side: int | None = None
    link: bool = False
    short_sound: float = 0.0
    note: str = ''

    @property
    def complete(self) -> bool:
        """Whether every file is there; none ever appears before it is whole."""
        return all(_is_there(path) for path in (self.sound_target, *(p.target for p in self.pictures)))


@dataclass(frozen=True)
class Outcome:
    """What became of a clip.

    Attributes:
        job: The clip.
        verdict: ``'made'``, ``'kept'`` (it was there already) or ``'dropped'``.
        reason: Why it was dropped, or what is worth noting.
    """
    job: ClipJob
    verdict: str
    reason: str = ''


def make_clip(job: ClipJob) -> Outcome:
    """Make the files of a clip, unless they are there.

    Raises:
        OSError: If files cannot be written. What cannot be read is an outcome, no error.
    """
    kept = job.complete
    steps = (('picture', job.picture, _make_pictures), ('sound', job.sound, _make_sound))
    for kind, path, make in () if kept else steps:
        try:
            make(job)
        except DataError as error:
            return Outcome(job, 'dropped', f'{kind}: {_reason(path, str(error))}')
    try:
        notes = filter(None, (job.note, _short(job)))
    except DataError as error:
        return Outcome(job, 'dropped', str(error))
    return Outcome(job, 'kept' if kept else 'made', '; '.join(notes))


def clip_jobs(data: AVClipDataset, list_file: str, sources: Callable[[str, str], Mapping], out: Path,
              rule: Callable | None = None, **options) -> Iterator[ClipJob]:
    """The clips of one part of a data set.

    Args:
        data: The data set over the list of the download, with the folder to make as its ``data_root``.
        list_file: Name of the list to write.
        sources: Gives ``picture``, ``sound`` and further fields of :class:`ClipJob` from the name of a clip as in the
            list, and its class. ``pictures`` are those to make besides those that the data set reads.
        out: The folder to make.
        rule: Which frames the data set reads, where it reads a folder of them.
        options: Fields of every :class:`ClipJob`.
    """
    for (_, row), index in zip(read_rows(data.ann_file), range(len(data)), strict=True):
        info = data.get_data_info(index)
        fields = dict(sources(row[0], data.classes[info['gt_label']]))
        read = Path(info['frame_paths'][0] if 'frame_paths' in info else info['frame_dir'])
        yield ClipJob(clip=info['sample_id'], part=data.part, line=','.join(row), list_file=list_file,
                      pictures=(Pictures(read, rule), *fields.pop('pictures', ())),
                      sound_target=Path(info['audio_path']), out=out, **fields, **options)


# Which frames ------------------------------------------------------------------------------------------------------

def equal_steps(count: int, fps: float, wanted: int = 10) -> dict[int, str]:
    """The rule of Kinetics-Sounds: the first frame, and those whose number, from 1, is a multiple of ``count // 10``.

    Example:
        >>> list(equal_steps(300, 30.0))
        [0, 29, 59, 89, 119, 149, 179, 209, 239, 269]
    """
    step = count // wanted
    indices = sorted({0, *(k * step - 1 for k in range(1, wanted))}) if step else []
    if len(indices) != wanted:
        raise DataError(f'too few frames for {wanted} ({count})')
    return {index: f'frame_{place}.jpg' for place, index in enumerate(indices)}


def steps_of_each_second(count: int, fps: float, kept: int = 1) -> dict[int, str]:
    """The rule of CREMA-D: ``kept`` frames of each second at equal distances, named by their index.

    Example:
        >>> steps_of_each_second(70, 29.97)
        {0: '00000.jpg', 29: '00029.jpg', 58: '00058.jpg'}
    """
    second = int(fps)
    step = second // kept
    if step == 0:
        raise DataError(f'fewer than {kept} frames a second ({fps:g})')
    return {i: f'{i:05d}.jpg' for i in range(count) if i % second % step == 0 and i % second < kept * step}


# Files -------------------------------------------------------------------------------------------------------------

def _make_pictures(job: ClipJob) -> None:
    if job.picture is None:
        raise DataError('there is no file')
    if job.picture.suffix.lower() in IMAGE_SUFFIXES:
        image = read_image(job.picture)
        for pictures in job.pictures:
            with replacing(pictures.target, scratch_of(job.out)) as path:
                fits = job.short_side is None or min(image.size) <= job.short_side
                if fits and job.picture.suffix.lower() in ('.jpg', '.jpeg'):
                    _copy(job.picture, path, job.link)
                else:
                    write_jpg(path, image, job.short_side)
        return
    video = VideoFrames(job.picture)
    plans = [(p, {0: ''} if p.rule is None else p.rule(len(video), video.fps)) for p in job.pictures]
    indices = sorted({index for _, names in plans for index in names})
    frames = dict(zip(indices, video.get(indices), strict=True))
    for pictures, names in plans:
        with replacing(pictures.target, scratch_of(job.out)) as path:
            if pictures.rule is not None:
                path.mkdir()
            for index, name in names.items():
                write_jpg(path / name, frames[index], job.short_side)


def _make_sound(job: ClipJob) -> None:
    if job.sound is None:
        raise DataError('there is no file')
    if job.sound.suffix.lower() == '.wav':
        read_audio(job.sound)
        with replacing(job.sound_target, scratch_of(job.out)) as path:
            _copy(job.sound, path, job.link)
        return
    samples, rate = read_video_audio(job.sound, job.sound_rate, mono=True)
    with replacing(job.sound_target, scratch_of(job.out)) as path:
        write_wav(path, samples, rate)


def _is_there(path: Path) -> bool:
    """Whether there is a folder, or a file that a power cut has not left empty."""
    try:
        state = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) or state.st_size > 0


def _copy(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            os.link(os.path.realpath(source), target)
            return
        except OSError:
            # Another file system, or one without hard links: a copy is as good.
            pass
    shutil.copyfile(source, target)


def _short(job: ClipJob) -> str:
    if not job.short_sound:
        return ''
    import soundfile
    try:
        seconds = soundfile.info(job.sound_target).duration
    except soundfile.LibsndfileError as error:
        raise DataError('a file in --out is damaged; remove it and start again '
                        f'[{job.sound_target}: {error}]') from None
    return f'sound: shorter than {job.short_sound:g} s ({seconds:.2f} s)' if seconds < job.short_sound else ''


def _reason(path: Path | None, message: str) -> str:
    """An error with the name of the file behind it, so that the report can count what went wrong."""
    if path is None:
        return message
    if _is_pointer(path):
        message = 'only a pointer of git-lfs was downloaded, "git lfs pull" brings the file'
    return f'{message.replace(f"{path}: ", "")} [{path.name}]'


def _is_pointer(path: Path) -> bool:
    try:
        with open(path, 'rb') as file:
            return file.read(len(_LFS_POINTER)) == _LFS_POINTER
    except OSError:
        return False
