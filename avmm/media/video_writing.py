"""Writing small videos."""
from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from avmm.utils import ConfigError, optional_import

#: Ways to write: codec and options of the pictures, their pixels, codec of the sound and its samples.
FORMS = {
    'browser': (('libx264', {'crf': '12', 'preset': 'medium'}, 'yuv420p'), ('aac', 'fltp')),
    'lossless': (('ffv1', {}, 'bgr0'), ('pcm_s16le', 's16')),
}


def write_video(path: str | os.PathLike, frames: np.ndarray | Sequence[np.ndarray], fps: float,
                audio: np.ndarray | None = None, sample_rate: int = 16000, form: str = 'browser') -> None:
    """Write frames and a sound track.

    Args:
        path: The file; its ending decides on the container.
        frames: uint8 RGB ``(T, H, W, 3)``; ``'browser'`` asks for even sides.
        fps: Frames a second.
        audio: Sound ``(L,)`` or ``(channels, L)`` in [-1, 1]. None writes a video without a sound track.
        sample_rate: Rate of the sound in Hz.
        form: ``'browser'`` for H.264 and AAC, which every browser plays from an mp4; ``'lossless'`` for the very
            pixels and samples of 16 bits, in an mkv.

    Raises:
        ConfigError: If the form is unknown, or the sides are odd where they must not be.
    """
    if form not in FORMS:
        raise ConfigError(f'form must be one of {", ".join(FORMS)}, got {form!r}')
    frames = np.asarray(frames, dtype=np.uint8)
    height, width = frames.shape[1:3]
    if form == 'browser' and (height % 2 or width % 2):
        raise ConfigError(f'{path}: H.264 asks for even sides, the frames have {height} x {width}')
    av = optional_import('av', 'video')
    (codec, options, pixels), (audio_codec, samples) = FORMS[form]
    with av.open(os.fspath(path), 'w') as container:
        pictures = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000), options=options)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, pixels
        sound = None
        if audio is not None:
            sound = container.add_stream(audio_codec, rate=sample_rate)
            sound.layout = 'mono' if np.ndim(audio) == 1 or len(audio) == 1 else 'stereo'
        packets = [p for frame in frames for p in pictures.encode(av.VideoFrame.from_ndarray(frame, format='rgb24'))]
        packets += pictures.encode()
        if sound is not None:
            # In one piece: the codec cuts it, and the file then tells what the codec has put in front.
            packets += sound.encode(_whole_sound(av, np.atleast_2d(audio), sample_rate, sound, samples))
            packets += sound.encode()
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)


def _whole_sound(av, audio: np.ndarray, rate: int, stream, samples: str):
    """The sound as one frame of the codec's kind of samples."""
    if samples == 's16':
        # As wav files are rounded.
        levels = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
        array = levels.T.reshape(1, -1)
    else:
        array = np.ascontiguousarray(audio, dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(array, format=samples, layout=stream.layout.name)
    frame.sample_rate, frame.pts = rate, 0
    return frame
