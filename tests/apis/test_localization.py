"""AVEventLocalizationInferencer: windows of a video, features in its place, and the answers about segments."""
from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from avmm.apis import AVEventLocalizationInferencer, init_inferencer
from avmm.apis.localization import events_of
from avmm.datasets.feature_store import ArraySpec
from avmm.extraction import FeatureExtractor
from avmm.media import write_video
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError

CONFIG = 'cmran_supv_1xb32-10e_ave_synthetic'


@EXTRACTORS.register_module()
class LoudnessForTests(FeatureExtractor):
    """Ten seconds of sound as 128 numbers a second, which tell how loud it is; padded with silence."""
    modality = 'audio'

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec = ArraySpec((10, 128))
        self.scale = nn.Parameter(torch.linspace(1, 2, 128))

    def load(self, media):
        sound = torch.from_numpy(media.sound(8000, mono=True))[0]
        return nn.functional.pad(sound, (0, 80000 - len(sound)))[:80000].view(10, 8000)

    def forward(self, units):
        return units.square().mean(1, keepdim=True) * self.scale


@EXTRACTORS.register_module()
class ColourForTests(FeatureExtractor):
    """A grid of 3 x 3 cells of 512 channels for each of ten frames."""
    modality = 'visual'
    batch_size = 4

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.spec = ArraySpec((10, 3, 3, 512), 'float16')

    def load(self, media):
        video = media.video()
        times = media.start + np.arange(10) + 0.5
        return torch.from_numpy(video.get(np.minimum(times * video.fps, len(video) - 1).astype(int)))

    def forward(self, units):
        small = nn.functional.adaptive_avg_pool2d(units.permute(0, 3, 1, 2).float() / 255, 3)
        return small.permute(0, 2, 3, 1).repeat(1, 1, 1, 171)[..., :512]


EXTRACTING = dict(audio=dict(type='LoudnessForTests'), visual=dict(type='ColourForTests'))


@pytest.fixture
def inferencer():
    return AVEventLocalizationInferencer(CONFIG, device='cpu', extractors=EXTRACTING)


def make_video(path, seconds: float, silent: bool = False):
    """Two frames a second of one colour each, and noise that becomes louder."""
    rng = np.random.default_rng(0)
    frames = np.broadcast_to(rng.integers(0, 256, (round(2 * seconds), 1, 1, 3), np.uint8),
                             (round(2 * seconds), 16, 16, 3))
    sound = rng.uniform(-1, 1, round(8000 * seconds)) * np.linspace(0, 1, round(8000 * seconds))
    write_video(path, frames, 2, None if silent else sound.astype('f4'), 8000, 'lossless')
    return path


def features(segments: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return dict(audio=rng.standard_normal((segments, 128)), visual=rng.random((segments, 3, 3, 512)))


def test_segments_of_a_video_have_times_and_names(inferencer, tmp_path):
    answer, = inferencer(make_video(tmp_path / 'a.mkv', 10))
    assert json.loads(json.dumps(answer)) == answer
    assert answer['seconds'] == 10.0 and set(answer['segments']) == set(answer['scores']) == {
        'joint', 'audio', 'visual'}
    for track in answer['segments'].values():
        assert [(s['start'], s['end']) for s in track] == [(float(i), float(i + 1)) for i in range(10)]
        assert all(s['label'] == inferencer.classes[s['index']] for s in track)
    assert all(0 <= s['score'] <= 1 for s in answer['segments']['joint'])
    assert answer['label'] == inferencer.classes[answer['index']] and 'attention' not in answer


def test_a_video_gives_what_its_features_give(inferencer, tmp_path):
    video = make_video(tmp_path / 'a.mkv', 10)
    answer = inferencer.prepare(video)
    inferencer.run([answer])
    assert answer.inputs['visual'].dtype == torch.float16
    given = {m: value[0].numpy() for m, value in answer.inputs.items()}
    np.savez(tmp_path / 'a.npz', **given)
    one, two, three = inferencer([video, given, tmp_path / 'a.npz'])
    assert one['segments'] == two['segments'] == three['segments'] and one['scores'] == two['scores']
    assert inferencer.model(answer.inputs, [answer.sample], 'predict')[0].pred_segments.tolist() == [
        s['index'] for s in one['segments']['joint']]


def test_a_long_video_is_cut_into_windows(inferencer, tmp_path):
    video = make_video(tmp_path / 'long.mkv', 25)
    answer, = inferencer(video)
    assert answer['seconds'] == 25 and len(answer['segments']['joint']) == 25
    prepared = inferencer.prepare(video)
    inferencer.run([prepared])
    windows = [inferencer({m: v[i].numpy() for m, v in prepared.inputs.items()})[0]['segments']['joint']
               for i in range(3)]
    # The windows begin at 0, 10 and 15 s; the last one tells about the last five seconds.
    expected = [s['score'] for s in [*windows[0], *windows[1], *windows[2][5:]]]
    assert np.allclose([s['score'] for s in answer['segments']['joint']], expected, atol=1e-5)
    # Batched with a short one, whose answer ends with it.
    both = inferencer([video, make_video(tmp_path / 'short.mkv', 4.5)])
    assert np.allclose(both[0]['scores']['joint'], answer['scores']['joint'], atol=1e-5)
    assert both[1]['seconds'] == 5


def test_attention_and_pictures_on_request(tmp_path):
    looking = init_inferencer(CONFIG, device='cpu', extractors=EXTRACTING, attention=True)
    video = make_video(tmp_path / 'a.mkv', 12)
    answer, other = looking([video, features()], pictures=tmp_path / 'out')
    assert np.shape(answer['attention']['spatial']) == (12, 3, 3)
    assert np.allclose(np.sum(answer['attention']['spatial'], (1, 2)), 1, atol=1e-4)
    assert (tmp_path / 'out' / 'a.png').stat().st_size > 10000
    assert other['picture'].endswith('features.png')


def test_features_of_more_segments_and_wrong_ones(inferencer, tmp_path):
    assert inferencer(features(7))[0]['seconds'] == 7
    with pytest.raises(DataError, match='features: the features of visual are missing'):
        inferencer(dict(audio=features()['audio']))
    with pytest.raises(DataError, match='unequal numbers of segments'):
        inferencer(dict(features(), audio=features(9)['audio']))
    (tmp_path / 'torn.npz').write_bytes(b'PK no zip')
    assert 'torn.npz: not a readable file of features' in inferencer(tmp_path / 'torn.npz', on_error='report')[0][
        'error']


def test_videos_that_will_not_do(inferencer, tmp_path):
    silent = make_video(tmp_path / 'silent.mkv', 2, silent=True)
    with pytest.raises(DataError, match=r'silent\.mkv: the file has no sound track, and an event localiser needs'):
        inferencer(silent)
    with pytest.raises(ConfigError, match='a video needs extractors of features'):
        AVEventLocalizationInferencer(CONFIG, device='cpu')(make_video(tmp_path / 'a.mkv', 2))


def test_extractors_from_a_config_and_wrong_ones(tmp_path):
    Config(dict(extractors=EXTRACTING)).dump(tmp_path / 'ave.py')
    inferencer = AVEventLocalizationInferencer(CONFIG, device='cpu', extractors=tmp_path / 'ave.py')
    assert set(inferencer.extractors) == {'audio', 'visual'}
    with pytest.raises(ConfigError, match='the model takes audio and visual, got extractors of audio'):
        AVEventLocalizationInferencer(CONFIG, device='cpu', extractors=dict(audio=EXTRACTING['audio']))
    (tmp_path / 'none.py').write_text('a = 1')
    with pytest.raises(ConfigError, match='has no extractors'):
        AVEventLocalizationInferencer(CONFIG, device='cpu', extractors=tmp_path / 'none.py')


def test_models_of_other_kinds_are_refused():
    with pytest.raises(ConfigError, match='is for models of the kind EventLocalizer, and AVClassifier is another one'):
        AVEventLocalizationInferencer('av_digits', device='cpu')
    with pytest.raises(ConfigError, match='DCMR looks in one modality for an event that is known in the other'):
        init_inferencer('dcmr_a2v_1xb32-10e_ave_synthetic', device='cpu')
    with pytest.raises(ConfigError, match='no inferencer is known for the model CrossModalMatching'):
        init_inferencer('avel_cmm_match_1xb8-20e_ave')


def test_events_are_runs_of_one_class():
    rows = [dict(start=float(i), end=i + 1.0, label=str(c), index=c, score=s)
            for i, (c, s) in enumerate([(2, 0.5), (2, 0.7), (9, 0.9), (2, 0.4), (1, 0.6)])]
    assert events_of(rows, background=9) == [
        dict(start=0.0, end=2.0, label='2', index=2, score=pytest.approx(0.6)),
        dict(start=3.0, end=4.0, label='2', index=2, score=0.4),
        dict(start=4.0, end=5.0, label='1', index=1, score=0.6)]


def test_the_extractors_of_ave(tmp_path):
    """VGGish and VGG-19 with weights of chance, on a video of one window: what an extraction makes of the file."""
    from avmm.extraction import Media
    configs = dict(audio=dict(type='VGGish', num_patches=10),
                   visual=dict(type='VGG19Maps', frames_per_segment=1, size=96))
    inferencer = AVEventLocalizationInferencer(CONFIG, device='cpu', extractors=configs)
    video = make_video(tmp_path / 'a.mkv', 9.5)
    answer = inferencer.prepare(video)
    inferencer.run([answer])
    assert {m: tuple(v.shape) for m, v in answer.inputs.items()} == dict(audio=(1, 10, 128), visual=(1, 10, 3, 3, 512))
    for modality, extractor in inferencer.extractors.items():
        with torch.inference_mode():
            alone = extractor.finish(extractor(extractor.load(Media(video))))
        assert np.allclose(answer.inputs[modality][0].numpy(), alone, atol=1e-5)
