"""AVClassificationInferencer: what goes in, what comes out, and what it says of files that will not do."""
from __future__ import annotations

import json
import math
from itertools import count, islice

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from avmm.apis import AVClassificationInferencer, init_inferencer
from avmm.media import VideoFrames, read_video_audio
from avmm.utils import ConfigError, DataError


@pytest.fixture
def inferencer(digits_cfg, digits_weights):
    return AVClassificationInferencer(digits_cfg, digits_weights, 'cpu')


def test_an_answer_is_plain_and_has_the_names_of_the_classes(inferencer, make_video):
    video = make_video()
    answer, = inferencer([video])
    assert json.loads(json.dumps(answer)) == answer
    assert answer['file'] == str(video) and answer['missing'] == []
    assert answer['label'] == str(answer['index']) and inferencer.classes == tuple('0123456789')
    assert set(answer['scores']) == set(answer['top']) == {'joint', 'audio', 'visual'}
    for kind, scores in answer['scores'].items():
        assert len(scores) == 10 and math.isclose(sum(scores), 1, rel_tol=1e-5)
        ranking = [row['score'] for row in answer['top'][kind]]
        assert ranking == sorted(scores, reverse=True)[:5]
        assert all(scores[row['index']] == row['score'] for row in answer['top'][kind])
    assert answer['score'] == answer['scores']['joint'][answer['index']] == max(answer['scores']['joint'])


def test_a_video_gives_what_its_sound_and_its_images_give(inferencer, make_video, tmp_path):
    video = make_video()
    sound, rate = read_video_audio(video)
    soundfile.write(tmp_path / 'clip.wav', sound[0], rate, subtype='PCM_16')
    folder = tmp_path / 'clip'
    folder.mkdir()
    for i, frame in enumerate(VideoFrames(video).get(range(3))):
        Image.fromarray(frame).save(folder / f'frame_{i}.png')
    pair = dict(audio_path=tmp_path / 'clip.wav', frame_dir=folder)
    one, other = inferencer([video, pair])
    assert one['scores'] == other['scores']
    heard, seen = inferencer([pair['audio_path'], folder])
    assert (heard['missing'], seen['missing']) == (['visual'], ['audio'])
    assert heard['scores']['audio'] == one['scores']['audio'] and 'visual' not in heard['scores']
    assert np.allclose(seen['scores']['visual'], one['scores']['visual'], atol=1e-6)


def test_batches_threads_and_streams_answer_alike(digits_cfg, digits_weights, inferencer, make_video):
    # Of unequal sizes, and one without sound: they cannot all pass the model together.
    videos = [make_video(f'{i}.mkv', seed=i, frames=3 + i, silent=i == 2, size=(16, 24 + 8 * (i % 2)))
              for i in range(5)]
    alone = [inferencer(video)[0] for video in videos]
    together = inferencer(videos, batch_size=4)
    assert [a['file'] for a in together] == list(map(str, videos))
    ahead = AVClassificationInferencer(digits_cfg, digits_weights, 'cpu', workers=2)
    streamed = list(ahead(iter(videos), stream=True))
    for one, batched, other in zip(alone, together, streamed, strict=True):
        assert one['missing'] == batched['missing'] == other['missing']
        for kind, scores in one['scores'].items():
            assert np.allclose(batched['scores'][kind], scores, atol=1e-6)
            assert np.allclose(other['scores'][kind], scores, atol=1e-6)
    assert len({tuple(a['scores']['joint']) for a in alone}) == 5


def test_a_stream_may_be_endless(inferencer, make_video):
    video = make_video()
    answers = inferencer((video for _ in count()), stream=True)
    assert [a['label'] for a in islice(answers, 3)] == [inferencer(video)[0]['label']] * 3


def test_broken_files_are_reported_or_raised(inferencer, make_video, tmp_path):
    good, broken, empty = make_video(), tmp_path / 'broken.mp4', tmp_path / 'empty.mp4'
    broken.write_bytes(b'no video at all' * 99)
    empty.touch()
    answers = inferencer([broken, good, tmp_path / 'absent.mp4', empty], on_error='report')
    assert answers[0] == dict(file=str(broken), error=f'{broken}: not a readable video file')
    assert 'label' in answers[1] and 'error' not in answers[1]
    assert answers[2]['error'].endswith('absent.mp4: the file is missing')
    assert answers[3]['error'].endswith('empty.mp4: the file is empty')
    with pytest.raises(DataError, match=r'broken\.mp4: not a readable video file'):
        inferencer([good, broken])


def test_a_torn_video_is_an_error(inferencer, make_video, tmp_path):
    whole = make_video('whole.mp4', form='browser', frames=30).read_bytes()
    torn = tmp_path / 'torn.mp4'
    torn.write_bytes(whole[:len(whole) // 2])
    assert 'torn.mp4' in inferencer(torn, on_error='report')[0]['error']


def test_a_modality_that_is_missing(digits_cfg, digits_weights, inferencer, make_video):
    silent = make_video('silent.mkv', silent=True)
    answer, = inferencer(silent)
    assert answer['missing'] == ['audio'] and set(answer['scores']) == {'joint', 'visual'}
    strict = AVClassificationInferencer(digits_cfg, digits_weights, 'cpu', missing='error')
    with pytest.raises(DataError, match=r'silent\.mkv: the file has no sound, and the model needs audio'):
        strict(silent)
    with pytest.raises(ConfigError, match="missing must be 'allow' or 'error', got 'zeros'"):
        AVClassificationInferencer(digits_cfg, missing='zeros')


def test_a_model_of_one_modality(make_video):
    listener = init_inferencer('av_digits_audio', device='cpu')
    assert set(listener(make_video())[0]['scores']) == {'joint', 'audio'}
    with pytest.raises(DataError, match='the file has no sound, and the model needs audio'):
        listener(make_video('silent.mkv', silent=True))


def test_pictures_have_names_of_their_own(inferencer, make_video, tmp_path):
    videos = []
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        videos.append(make_video(f'{folder}/clip.mkv', seed=len(videos)))
    answers = inferencer(videos, pictures=tmp_path / 'pictures')
    assert [a['picture'] for a in answers] == [str(tmp_path / 'pictures' / n) for n in ('clip.png', 'clip_2.png')]
    with Image.open(answers[0]['picture']) as picture:
        assert picture.width > picture.height > 300


def test_arguments_that_cannot_be(inferencer, digits_cfg, digits_weights, make_video):
    with pytest.raises(ConfigError, match='on_error must be one of raise, report'):
        inferencer('a.mp4', on_error='skip')
    with pytest.raises(ConfigError, match='batch_size must be at least 1, got -2'):
        inferencer('a.mp4', batch_size=-2)
    with pytest.raises(ConfigError, match='an input names some of video_path.*got film'):
        inferencer(dict(film='a.mp4'))
    with pytest.raises(ConfigError, match='an input is a path or a dictionary, got int'):
        inferencer([3])
    with pytest.raises(ConfigError, match='classes: 2 names for a model of 10 classes'):
        AVClassificationInferencer(digits_cfg, digits_weights, 'cpu', classes=('cat', 'dog'))
    named = AVClassificationInferencer(digits_cfg, digits_weights, 'cpu', classes=list('abcdefghij'))
    video = make_video()
    assert named(video)[0]['label'] == 'abcdefghij'[inferencer(video)[0]['index']]


def test_fresh_weights_come_from_the_seed(digits_cfg, make_video):
    video = make_video()
    scores = [AVClassificationInferencer(digits_cfg, device='cpu', seed=s)(video)[0]['scores'] for s in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


def test_a_config_without_data_says_nothing_of_files(digits_cfg):
    for split in ('train', 'val', 'test'):
        digits_cfg[f'{split}_dataloader'] = None
    with pytest.raises(ConfigError, match='no test_dataloader, so it does not say how files are read'):
        AVClassificationInferencer(digits_cfg, device='cpu')


def test_the_model_is_left_as_it_was(inferencer, make_video):
    before = {k: v.clone() for k, v in inferencer.model.state_dict().items()}
    inferencer([make_video()] * 3)
    assert not inferencer.model.training
    assert all(torch.equal(v, before[k]) for k, v in inferencer.model.state_dict().items())
