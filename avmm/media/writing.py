"""Media files that appear under their names when they are whole."""
from __future__ import annotations

import os
import shutil
import socket
import uuid
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image


@contextmanager
def replacing(path: str | os.PathLike, scratch: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path, and rename what was written there to ``path`` at the end.

    Args:
        path: The file or the folder to make; what is there is replaced.
        scratch: Folder for unfinished files, on the same file system. After an error nothing stays in it.
    """
    path, scratch = Path(path), Path(scratch)
    for folder in (path.parent, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    unfinished = scratch / f'{socket.gethostname()}+{os.getpid()}+{uuid.uuid4().hex[:12]}'
    old = unfinished.with_name(f'{unfinished.name}-old')
    try:
        yield unfinished
        if unfinished.is_dir() and path.exists():
            os.rename(path, old)
        os.replace(unfinished, path)
    finally:
        _remove(unfinished)
        _remove(old)


def sweep_scratch(scratch: str | os.PathLike) -> None:
    """Remove what processes of this machine that are not there any more left unfinished in ``scratch``."""
    scratch = Path(scratch)
    if not scratch.is_dir():
        return
    for left in scratch.iterdir():
        host, _, process = left.name.rpartition('+')[0].rpartition('+')
        if host == socket.gethostname() and process.isdecimal() and not _is_alive(int(process)):
            _remove(left)
    if not any(scratch.iterdir()):
        scratch.rmdir()


def write_jpg(path: str | os.PathLike, frame: np.ndarray | Image.Image, short_side: int | None = None,
              quality: int = 95) -> None:
    """Write a frame as jpg.

    Args:
        path: The file.
        frame: uint8 RGB ``(H, W, 3)``, or an image.
        short_side: Longest shorter side to keep, in pixels; a larger frame is shrunk with bicubic interpolation.
        quality: Quality of the jpg; 95 is that of OpenCV.
    """
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    shrink(image, short_side).save(path, 'JPEG', quality=quality)


def shrink(image: Image.Image, short_side: int | None) -> Image.Image:
    """Bring the shorter side down to ``short_side`` pixels with bicubic interpolation; a smaller image stays."""
    if short_side is None or min(image.size) <= short_side:
        return image
    shorter = min(image.size)
    # Encoders of videos want even sides, so sizes agree with those of published recipes.
    return image.resize([short_side if side == shorter else 2 * round(side * short_side / shorter / 2)
                         for side in image.size], Image.Resampling.BICUBIC)


def write_wav(path: str | os.PathLike, samples: np.ndarray, sample_rate: int) -> None:
    """Write sound as 16-bit wav, rounded as ffmpeg does.

    Args:
        path: The file.
        samples: Float ``(channels, L)`` in [-1, 1]; what lies beyond is clipped.
        sample_rate: Rate in Hz.
    """
    levels = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype('<i2')
    with open(path, 'wb') as file, wave.open(file, 'wb') as out:
        out.setparams((len(samples), 2, sample_rate, 0, 'NONE', ''))
        out.writeframes(np.ascontiguousarray(levels.T).tobytes())


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        # A killed process that nobody has waited for still has its number.
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
    except ProcessLookupError:
        return False
    except OSError:
        return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
