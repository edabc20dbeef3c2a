"""Small downloads in the layouts of their publishers."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np


def real_folder(*names: str) -> Path | None:
    """A folder of real files, where ``AVMM_REAL_DATA`` names one that has it."""
    folder = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)).joinpath(*names)
    return folder if folder.is_dir() else None


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """A tone in each channel, float32 ``(channels, L)``, the second one quieter."""
    wave = np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)
    return np.stack([0.4 * wave / (1 + i) for i in range(channels)]).astype(np.float32)


def encode(path: Path, codec: str, frames: int = 30, fps: int = 10, size: tuple[int, int] = (48, 64),
           sound: np.ndarray | None = None, sound_codec: str = 'aac', rate: int = 44100) -> Path:
    """Encode a video whose frame ``i`` is grey of level ``(7 i) mod 250``, with a sound track or without."""
    import av
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        video = container.add_stream(codec, rate=fps)
        video.height, video.width = size
        video.pix_fmt = 'yuv420p'
        track = None if sound is None else container.add_stream(
            sound_codec, rate=rate, layout='mono' if len(sound) == 1 else 'stereo')
        for i in range(frames):
            grey = np.full((*size, 3), 7 * i % 250, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, 'rgb24')))
        container.mux(video.encode())
        if track is not None:
            layout = 'mono' if len(sound) == 1 else 'stereo'
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), 'fltp', layout)
            frame.sample_rate = rate
            fifo = av.AudioFifo()
            fifo.write(frame)
            while (piece := fifo.read(1024, partial=True)) is not None:
                container.mux(track.encode(piece))
            container.mux(track.encode())
    return path


def grey_levels(path: Path) -> float:
    """Mean level of a picture."""
    from PIL import Image
    with Image.open(path) as image:
        return float(np.asarray(image.convert('L')).mean())


def snapshot(root: Path) -> dict[str, int]:
    """Every file below a folder, and when it was written (ns)."""
    return {str(p.relative_to(root)): p.stat().st_mtime_ns for p in sorted(root.rglob('*')) if p.is_file()}
