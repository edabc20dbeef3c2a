"""The same frames by every decoder, and what happens to unusual and broken files."""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from avmm.datasets.transforms import LoadVideoFrames
from avmm.media import BACKENDS, NoPictureError, VideoFrames, open_video
from avmm.media.packets import read_index
from avmm.utils import ConfigError, DataError, MissingDependencyError

TIMES = np.cumsum([0.0, *[0.04, 0.1, 0.02, 0.3, 0.04] * 6])[:30]


def decoders() -> list[str]:
    """The backends that can be loaded here."""
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        return ['decord', 'pyav']
    return list(BACKENDS)


@pytest.fixture(params=['bframes.mp4', 'bframes.mkv', 'variable.mp4', 'mpeg4.avi', 'mjpeg.avi'])
def clip(request, tmp_path, clip_tools):
    path = tmp_path / request.param
    codec = dict(mpeg4='mpeg4', mjpeg='mjpeg').get(path.stem, 'libx264')
    if path.stem == 'variable':
        return clip_tools.write(path, frames=30, times=TIMES, codec=codec)
    return clip_tools.write(path, codec=codec)


@pytest.mark.parametrize('backend', decoders())
def test_every_decoder_finds_every_frame(clip, clip_tools, backend):
    video = open_video(clip, backend)
    rng = np.random.default_rng(0)
    for _ in range(4):
        indices = rng.choice(len(video), 6)
        wanted = np.stack([clip_tools.picture(i) for i in indices])
        assert np.abs(video.get(indices).astype(int) - wanted).mean((1, 2, 3)).max() < 2.5
    assert video.get([3]).flags['C_CONTIGUOUS']


@pytest.mark.parametrize('backend', decoders())
def test_frames_by_time(clip, backend):
    video = open_video(clip, backend)
    variable = clip.stem == 'variable'
    times = TIMES if variable else np.arange(40) / 25
    np.testing.assert_allclose(video.times, times, atol=1e-3)
    assert video.index_at([-1, 0, times[7], times[7] + 0.019, times[8] - 0.001, 99]).tolist() == \
        [0, 0, 7, 7, 7 + (times[8] - times[7] < 0.02), len(video) - 1]
    np.testing.assert_array_equal(video.at([times[7], 0.0]), video.get([7, 0]))
    assert video.duration == pytest.approx(times[-1] + 0.04, abs=0.041)
    if not variable:
        assert video.fps == pytest.approx(25, rel=1e-3)


@pytest.mark.parametrize('degrees', [90, 180, 270])
@pytest.mark.parametrize('backend', decoders())
def test_a_turned_picture_comes_upright(tmp_path, clip_tools, degrees, backend):
    path = clip_tools.turn(clip_tools.write(tmp_path / 'a.mp4', 16), tmp_path / 'b.mp4', degrees)
    frame = VideoFrames(path, backend=backend).get([9])[0]
    wanted = np.rot90(clip_tools.picture(9), -degrees // 90)
    assert frame.shape == wanted.shape and np.abs(frame.astype(int) - wanted).mean() < 2.5


def test_real_clips_give_the_same_by_every_decoder(tmp_path, make_avi):
    folder = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'media'
    clips = sorted(folder.glob('clip_*')) if folder.is_dir() else [make_avi(tmp_path / 'v.avi')]
    import av
    for path in clips:
        with av.open(str(path)) as container:
            plain = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
        for backend in decoders():
            video = open_video(path, backend)
            assert len(video) == len(plain)
            indices = [len(video) - 1, 1, len(video) // 2, 1]
            gap = np.abs(video.get(indices).astype(int) - [plain[i] for i in indices])
            assert gap.mean() < 0.1


def test_only_what_is_needed_is_decoded(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mp4', 200)
    video = VideoFrames(path, backend='pyav')
    video.get([180, 182])
    # Frame 180 begins a group of twelve; a decoder may have two more at hand, as B-frames come late.
    assert video._fallback.decoded == 3
    video.get([182, 185])
    assert video._fallback.decoded == 6
    video.get([25])
    assert video._fallback.decoded == 8


def test_decord_does_not_decode_the_whole_video_either(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mp4', 240, size=(240, 320))

    def seconds(indices) -> float:
        best = 9.0
        for _ in range(3):
            video = VideoFrames(path)
            video._reader  # noqa: B018
            start = time.process_time()
            video.get(indices)
            best = min(best, time.process_time() - start)
        return best

    assert seconds([121]) < 0.4 * seconds(range(240))


@pytest.mark.parametrize('backend', ['decord', 'pyav'])
def test_a_broken_packet_costs_the_frames_that_need_it_alone(tmp_path, clip_tools, backend):
    path = clip_tools.spoil(clip_tools.write(tmp_path / 'a.mp4', 40), 'video', 13)
    video = VideoFrames(path, backend=backend)
    assert video.get([3, 38]).shape == (2, 48, 64, 3)
    with pytest.raises(DataError, match=r'a\.mp4: the frame at 0\.\d\d s cannot be decoded \(Invalid data') as caught:
        video.get([3, 22])
    assert '\n' not in str(caught.value)
    # And the reader can be used again.
    assert abs(int(video.get([26])[0, -1, -1, 0]) - 130) < 4


@pytest.mark.parametrize('backend', ['decord', 'pyav'])
@pytest.mark.parametrize(('suffix', 'make', 'message'), [
    ('mp4', lambda data: b'', 'the file is empty'),
    ('mp4', lambda data: data[:-300], r'the file is truncated \(\d+ of \d+ bytes\)'),
    ('mkv', lambda data: data[:-300], r'the file is truncated \(\d+ of \d+ bytes\)'),
    ('mkv', lambda data: b'no video, but text' * 20, 'not a readable video file'),
    ('mp4', lambda data: data[:40] + bytes(500) + data[540:], 'not a readable video file|cannot be decoded'),
])
def test_broken_files_are_named_with_the_reason(tmp_path, clip_tools, backend, suffix, make, message):
    path = clip_tools.write(tmp_path / f'a.{suffix}', 20)
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(DataError, match=rf'a\.{suffix}: .*({message})') as caught:
        VideoFrames(path, backend=backend).get([0])
    assert '\n' not in str(caught.value)


def test_a_file_without_a_picture(tmp_path):
    import soundfile
    soundfile.write(tmp_path / 'a.wav', np.zeros(800), 8000)
    with pytest.raises(NoPictureError, match=r'a\.wav: not a readable video file \(it has no picture\)'):
        VideoFrames(tmp_path / 'a.wav')


def test_matroska_files_of_unknown_length_are_whole(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mkv', 8)
    data = bytearray(path.read_bytes())
    place = data.find(b'\x18\x53\x80\x67') + 4
    width = 9 - data[place].bit_length()
    data[place:place + width] = bytes([(1 << (9 - width)) - 1]) + b'\xff' * (width - 1)
    path.write_bytes(data)
    assert len(read_index(path).times) == 8


def test_without_decord_pyav_decodes(tmp_path, clip_tools, monkeypatch):
    monkeypatch.setitem(sys.modules, 'decord', None)
    video = open_video(clip_tools.write(tmp_path / 'a.mp4', 16))
    assert video.get([2]).shape == (1, 48, 64, 3) and video._fallback.decoded


def test_torchcodec_is_guarded(tmp_path, clip_tools, monkeypatch):
    path = clip_tools.write(tmp_path / 'a.mp4', 16)
    monkeypatch.setitem(sys.modules, 'torchcodec.decoders', None)
    with pytest.raises(MissingDependencyError, match=r'torchcodec cannot be loaded \(.*\); install the release for'):
        open_video(path, 'torchcodec')


def test_torchcodec_is_asked_for_frames(tmp_path, clip_tools, monkeypatch):
    """A stand-in for torchcodec, which needs a FFmpeg of the system."""
    import torch

    class VideoDecoder:
        def __init__(self, path, dimension_order, num_ffmpeg_threads):
            assert dimension_order == 'NHWC'

        def __len__(self):
            return 16

        def get_frames_at(self, indices):
            frames = torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 48, 64, 3)
            return SimpleNamespace(data=frames)

    module = ModuleType('torchcodec.decoders')
    module.VideoDecoder = VideoDecoder
    monkeypatch.setitem(sys.modules, 'torchcodec.decoders', module)
    monkeypatch.setitem(sys.modules, 'torchcodec', ModuleType('torchcodec'))
    video = open_video(clip_tools.write(tmp_path / 'a.mp4', 16), 'torchcodec')
    assert video.get([5, 2, 5])[:, 0, 0, 0].tolist() == [5, 2, 5]


def test_the_decoder_comes_from_the_config(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mp4', 20)
    frames = [LoadVideoFrames(3, 'centers', backend='torch', decoder=name)(dict(video_path=str(path)))['frames']
              for name in ('decord', 'pyav')]
    np.testing.assert_array_equal(*frames)
    with pytest.raises(ConfigError, match="decoder must be one of decord, pyav, torchcodec, got 'opencv'"):
        LoadVideoFrames(decoder='opencv')
    with pytest.raises(ConfigError, match="'opencv' is no decoder of frames"):
        open_video(path, 'opencv')


def test_a_picture_of_an_unknown_kind(tmp_path, clip_tools):
    path = clip_tools.write(tmp_path / 'a.mkv', 8)
    path.write_bytes(path.read_bytes().replace(b'V_MPEG4/ISO/AVC', b'V_MPEG9/ISO/XYZ'))
    with pytest.raises(NoPictureError, match=r'a\.mkv: not a readable video file'):
        VideoFrames(path)


@pytest.mark.parametrize('backend', ['decord', 'pyav'])
def test_damage_anywhere_gives_frames_or_one_line(tmp_path, clip_tools, backend):
    data = clip_tools.write(tmp_path / 'a.mp4', 30).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(12):
        broken = bytearray(data)
        first = rng.integers(len(data) - 200)
        broken[first:first + 200] = rng.bytes(200)
        (tmp_path / 'b.mp4').write_bytes(broken)
        try:
            video = open_video(tmp_path / 'b.mp4', backend)
            assert video.get([0, len(video) - 1]).dtype == np.uint8
        except DataError as error:
            assert 'b.mp4: ' in str(error) and '\n' not in str(error)
