from __future__ import annotations

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from PIL import Image

from avmm.media import (
    NoSoundError,
    VideoFrames,
    check_file,
    read_audio,
    read_bytes,
    read_image,
    read_image_array,
    read_video_audio,
)
from avmm.media import image as image_module
from avmm.utils import DataError


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / 'a.wav'
    soundfile.write(path, np.linspace(-0.5, 0.5, 800), 8000, subtype='PCM_16')
    return path


@pytest.fixture
def jpg(tmp_path):
    path = tmp_path / 'a.jpg'
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((80, 60)).save(path, quality=90)
    return path


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_read_audio_gives_channels_first(tmp_path, wav):
    samples, rate = read_audio(wav)
    assert samples.shape == (1, 800) and samples.dtype == np.float32 and rate == 8000
    assert samples[0] == pytest.approx(np.linspace(-0.5, 0.5, 800), abs=1e-4)
    soundfile.write(tmp_path / 's.wav', np.stack([np.ones(10), np.zeros(10)], 1) * 0.5, 44100)
    samples, rate = read_audio(tmp_path / 's.wav')
    assert samples.shape == (2, 10) and rate == 44100 and samples.flags['C_CONTIGUOUS']


def test_read_audio_reads_only_the_part_that_is_asked_for(wav):
    whole, _ = read_audio(wav)
    part, _ = read_audio(wav, start=0.01, duration=0.02)
    assert np.array_equal(part, whole[:, 80:240])


@pytest.mark.parametrize(('make', 'message'), [
    (lambda p: p.unlink(), r'a\.wav: the file is missing'),
    (lambda p: truncate(p, 0), r'a\.wav: the file is empty'),
    (lambda p: truncate(p, 600), r'a\.wav: the file is truncated \(600 of 1644 bytes\)'),
    (lambda p: p.write_text('not a sound' * 9), r'a\.wav: not a readable audio file'),
    (lambda p: soundfile.write(p, np.zeros(0), 8000), r'a\.wav: the audio file holds no samples'),
])
def test_a_bad_wav_is_named_with_the_reason(wav, make, message):
    make(wav)
    with pytest.raises(DataError, match=message) as caught:
        read_audio(wav)
    assert '\n' not in str(caught.value)


def test_an_open_ended_wav_header_is_no_truncation(wav):
    data = bytearray(wav.read_bytes())
    data[4:8] = b'\xff' * 4
    wav.write_bytes(data)
    assert read_audio(wav)[0].shape == (1, 800)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match='the file cannot be read'):
        check_file(tmp_path)


def test_both_image_readers_give_the_same_pixels(jpg, tmp_path):
    assert np.array_equal(np.asarray(read_image(jpg)), read_image_array(jpg))
    Image.open(jpg).save(tmp_path / 'a.png')
    assert np.array_equal(np.asarray(read_image(jpg)), read_image_array(tmp_path / 'a.png'))


def test_grey_images_become_rgb(tmp_path):
    Image.new('L', (8, 6), 77).save(tmp_path / 'g.jpg')
    assert read_image(tmp_path / 'g.jpg').mode == 'RGB'
    assert read_image_array(tmp_path / 'g.jpg').shape == (6, 8, 3)


def test_draft_decodes_a_smaller_image(jpg):
    assert read_image(jpg).size == (80, 60)
    assert read_image(jpg, draft_size=(30, 30)).size == (40, 30)


@pytest.mark.parametrize('read', [read_image, read_image_array])
@pytest.mark.parametrize(('make', 'message'), [
    (lambda p: p.unlink(), r'a\.jpg: the file is missing'),
    (lambda p: truncate(p, 0), r'a\.jpg: the file is empty'),
    (lambda p: truncate(p, p.stat().st_size // 2), r'a\.jpg: the image cannot be decoded \(image file is truncated'),
    (lambda p: p.write_text('text'), r'a\.jpg: not a readable image file'),
])
def test_a_bad_image_is_named_with_the_reason(jpg, read, make, message):
    make(jpg)
    with pytest.raises(DataError, match=message):
        read(jpg)


def test_video_frames_and_sound(tmp_path, make_avi):
    tone = np.sin(np.arange(8000) / 8) * 0.5
    path = make_avi(tmp_path / 'v.avi', audio=tone)
    video = VideoFrames(path)
    assert len(video) == 5 and video.fps == pytest.approx(10)
    frames = video.get([0, 3])
    assert frames.shape == (2, 32, 64, 3) and frames.dtype == np.uint8
    assert abs(int(frames[1].mean()) - 120) < 3
    samples, rate = read_video_audio(path)
    assert rate == 16000 and samples.shape == (1, 8000)
    assert samples[0] == pytest.approx(tone, abs=1e-3)


@pytest.mark.parametrize(('rate', 'seconds'), [(8000, 0.3), (44100, 1.09), (48000, 1.0), (22050, 0.7)])
def test_the_rate_of_a_sound_track_is_found(tmp_path, make_avi, rate, seconds):
    assert read_video_audio(make_avi(tmp_path / 'v.avi', audio=np.zeros(int(rate * seconds)), rate=rate))[1] == rate


def test_a_sound_track_can_be_resampled_by_the_decoder(tmp_path, make_avi):
    samples, rate = read_video_audio(make_avi(tmp_path / 'v.avi', audio=np.zeros(16000)), sample_rate=8000)
    assert rate == 8000 and abs(samples.shape[1] - 8000) < 20


def test_a_video_without_sound(tmp_path, make_avi):
    with pytest.raises(NoSoundError, match=r'v\.avi: the video has no sound track'):
        read_video_audio(make_avi(tmp_path / 'v.avi'))


@pytest.mark.parametrize('read', [VideoFrames, read_video_audio])
def test_bad_videos_are_named_with_the_reason(tmp_path, make_avi, read):
    path = make_avi(tmp_path / 'v.avi', audio=np.zeros(1600))
    for size, message in [(3000, 'the file is truncated'), (0, 'the file is empty')]:
        with pytest.raises(DataError, match=rf'v\.avi: {message}'):
            read(truncate(path, size))
    path.write_text('not a video')
    with pytest.raises(DataError, match=r'v\.avi: (not a readable video|the sound track cannot be decoded)'):
        read(path)


def test_frames_beyond_the_end_are_refused(tmp_path, make_avi):
    with pytest.raises(DataError, match=r'frames 2, 9 of 5 cannot be decoded'):
        VideoFrames(make_avi(tmp_path / 'v.avi')).get([2, 9])


def test_a_truncated_mp4_is_seen_by_its_boxes(tmp_path):
    path = tmp_path / 'v.mp4'
    path.write_bytes(struct.pack('>I4s8x', 16, b'ftyp') + struct.pack('>I4s', 5000, b'mdat') + b'\0' * 100)
    with pytest.raises(DataError, match=r'v\.mp4: the file is truncated \(124 of 5016 bytes\)'):
        VideoFrames(path)


def test_every_channel_of_a_track_is_read(tmp_path):
    import av
    sound = np.stack([np.full(8000, 8192, np.int16), np.full(8000, -4096, np.int16)])
    with av.open(str(tmp_path / 'stereo.mkv'), 'w') as container:
        track = container.add_stream('pcm_s16le', rate=8000, layout='stereo')
        frame = av.AudioFrame.from_ndarray(sound.T.reshape(1, -1), format='s16', layout='stereo')
        frame.sample_rate = 8000
        for packet in [*track.encode(frame), *track.encode(None)]:
            container.mux(packet)
    samples, rate = read_video_audio(tmp_path / 'stereo.mkv')
    assert rate == 8000
    np.testing.assert_array_equal(samples, sound.astype(np.float32) / 32768)


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / 'a.bin').write_bytes(bytes(range(256)) * 300)
    (tmp_path / 'empty.bin').touch()
    assert read_bytes(tmp_path / 'a.bin').tobytes() == bytes(range(256)) * 300
    assert read_bytes(tmp_path / 'empty.bin').shape == (0, )
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / 'none.bin')


@pytest.fixture
def simplejpeg(monkeypatch):
    """A stand-in for simplejpeg, which need not be installed: any function as its ``decode_jpeg``, or None."""
    def install(decode, colours='YCbCr'):
        module = None if decode is None else SimpleNamespace(
            decode_jpeg=decode, decode_jpeg_header=lambda data: (60, 80, colours, '420'))
        monkeypatch.setitem(sys.modules, 'simplejpeg', module)
        image_module._fast_decoder.cache_clear()

    yield install
    image_module._fast_decoder.cache_clear()


def test_simplejpeg_decodes_where_it_is_installed(jpg, simplejpeg):
    simplejpeg(lambda data, colour: (len(data), colour))
    assert read_image_array(jpg) == (jpg.stat().st_size, 'RGB')


def test_without_simplejpeg_or_where_it_refuses_the_pixels_are_the_same(jpg, simplejpeg):
    def refuse(data, colour):
        raise ValueError('unsupported')

    for options in ((None, ), (refuse, ), (lambda data, colour: 'not asked', 'CMYK')):
        simplejpeg(*options)
        assert np.array_equal(read_image_array(jpg), np.asarray(read_image(jpg)))
