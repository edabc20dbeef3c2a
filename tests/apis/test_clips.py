"""A file gives what a clip of the data set made of it would give."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avmm.apis.clips import describe, file_pipeline, probe
from avmm.datasets import CREMAD, AVClipDataset, AVDigits, KineticsSounds
from avmm.datasets.preparation.clip_job import ClipJob, Pictures, equal_steps, make_clip
from avmm.media import write_video
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError, DataError
from avmm.utils.config import load_config

BASES = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'


def inputs_of(steps, results: dict) -> dict[str, torch.Tensor]:
    results = dict(results, rng=np.random.default_rng(0))
    for step in steps:
        results = step(results)
    return results['inputs']


def smooth_video(path: Path, frames: int, size: tuple[int, int]) -> Path:
    """Pictures that a jpg keeps well, and two seconds of sound in stereo."""
    rng = np.random.default_rng(0)
    pixels = [np.asarray(Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8)).resize(size[::-1]))
              for _ in range(frames)]
    write_video(path, pixels, frames / 2, rng.uniform(-0.3, 0.3, (2, 88200)).astype('f4'), 44100, 'lossless')
    return path


@pytest.mark.parametrize(('name', 'data', 'rule', 'size'), [
    ('kinetics_sounds', KineticsSounds, equal_steps, (300, 400)),
    ('cremad', CREMAD, None, (120, 160)),
])
def test_a_file_is_read_like_a_prepared_clip(name, data, rule, size, tmp_path):
    video = smooth_video(tmp_path / 'clip.mkv', 24, size)
    pictures, sound = tmp_path / ('frames' if rule else 'frame.jpg'), tmp_path / 'clip.wav'
    job = ClipJob('clip', 'test', '', 'list', video, video, (Pictures(pictures, rule), ), sound, tmp_path,
                  short_side=data.SHORT_SIDE)
    assert make_clip(job).verdict == 'made'
    prepared = dict(audio_path=str(sound), **(dict(frame_dir=str(pictures)) if rule else
                                              dict(frame_paths=[str(pictures)])))
    steps = [dict(s, cache_dir=None) if s['type'] == 'CachedSpectrogram' else s
             for s in load_config(BASES / f'{name}.py').test_pipeline]
    expected = inputs_of([TRANSFORMS.build(s) for s in steps], prepared)
    given = inputs_of(file_pipeline(steps, data(lazy_init=True)), describe(video)[1])
    assert torch.equal(given['audio'], expected['audio'])
    assert given['visual'].shape == expected['visual'].shape == (3, 3 if rule else 1, 224, 224)
    # Only what the jpg changed, in levels of 255.
    assert (given['visual'].float() - expected['visual'].float()).abs().mean() < 1.5


def test_nothing_is_kept_in_a_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('AVMM_DATA', str(tmp_path / 'data'))
    video = smooth_video(tmp_path / 'clip.mkv', 2, (16, 16))
    steps = load_config(BASES / 'cremad.py').test_pipeline
    assert set(inputs_of(file_pipeline(steps, CREMAD(lazy_init=True)), describe(video)[1])) == {'audio', 'visual'}
    assert not (tmp_path / 'data').exists()


def test_which_frames_of_a_video_make_up_a_clip():
    assert AVDigits(lazy_init=True).frames_of_video(3, 3) == [0, 1, 2]
    assert AVDigits(lazy_init=True).frames_of_video(30, 30) == [5, 15, 25]
    assert CREMAD(lazy_init=True).frames_of_video(70, 30) == [0]
    assert AVClipDataset(layout=dict(frame_dir='{id}'), lazy_init=True).frames_of_video(3, 1) == [0, 1, 2]
    with pytest.raises(DataError, match='too few frames for 10'):
        KineticsSounds(lazy_init=True).frames_of_video(7, 30)


def test_too_short_a_video_is_named(tmp_path):
    video = smooth_video(tmp_path / 'short.mkv', 4, (16, 16))
    steps = file_pipeline(load_config(BASES / 'kinetics_sounds.py').test_pipeline, KineticsSounds(lazy_init=True))
    with pytest.raises(DataError, match=r'short\.mkv: too few frames for 10 \(4\)'):
        inputs_of(steps, describe(video)[1])


def test_steps_that_read_videos_themselves(tmp_path):
    steps = [dict(type='LoadAudio', max_seconds=0.5), dict(type='CropOrRepeatAudio', length=22050),
             dict(type='LogSpectrogram'), dict(type='LoadVideoFrames', num_frames=2, sampling='centers'),
             dict(type='PackAVInputs')]
    data = AVClipDataset(layout=dict(video_path='{id}'), lazy_init=True)
    results = dict(video_path=str(smooth_video(tmp_path / 'clip.mkv', 8, (16, 24))), sample_id='clip')
    expected = inputs_of([TRANSFORMS.build(s) for s in steps], results)
    given = inputs_of(file_pipeline(steps, data), describe(results['video_path'])[1])
    assert all(torch.equal(given[m], expected[m]) for m in ('audio', 'visual'))
    Image.new('RGB', (24, 16)).save(tmp_path / 'still.png')
    still = inputs_of(file_pipeline(steps, data), describe(tmp_path / 'still.png')[1])
    assert set(still) == {'visual'} and still['visual'].shape == (3, 2, 16, 24)


def test_a_video_without_pictures_and_one_of_neither(tmp_path):
    import av
    sound_only = tmp_path / 'song.m4a'
    with av.open(str(sound_only), 'w', format='mp4') as container:
        stream = container.add_stream('aac', rate=22050)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22050), 'f4'), format='fltp', layout='mono')
        frame.sample_rate = 22050
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    streams = probe(sound_only)
    assert (streams.visual, streams.audio) == (False, True) and streams.seconds == pytest.approx(1, abs=0.2)
    steps = file_pipeline(load_config(BASES / 'av_digits.py').test_pipeline, AVDigits(lazy_init=True))
    assert set(inputs_of(steps, describe(sound_only)[1])) == {'audio'}
    words = tmp_path / 'words.srt'
    words.write_text('1\n00:00:00,000 --> 00:00:01,000\nhello\n\n')
    with pytest.raises(DataError, match=r'words\.srt: '):
        describe(words)


@pytest.mark.parametrize(('text', 'reason'), [
    ('ffconcat version 1.0\nfile secret.mkv\n', 'a list of other files, which is not followed'),
    ('#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mkv\n#EXT-X-ENDLIST\n', 'not a readable video file'),
])
def test_a_list_of_other_files_is_not_followed(tmp_path, text, reason):
    smooth_video(tmp_path / 'secret.mkv', 2, (16, 16))
    (tmp_path / 'innocent.mp4').write_text(text)
    with pytest.raises(DataError, match=rf'innocent\.mp4: {reason}'):
        describe(tmp_path / 'innocent.mp4')


def test_a_pipeline_must_end_with_inputs():
    with pytest.raises(ConfigError, match='must end with PackAVInputs'):
        file_pipeline([dict(type='LoadAudio')], AVDigits(lazy_init=True))
