"""Feature generation of UAVM."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.datasets.feature_store import FeatureStore
from avmm.engine.checkpoint import save_checkpoint
from avmm.extraction import Media
from avmm.media import write_video
from avmm.registry import EXTRACTORS, MODELS
from avmm.utils import CheckpointError, ConfigError, DataError
from projects.uavm.tests.uavm_files import write_list
from projects.uavm.uavm import UAVMAudioDataset, converter
from projects.uavm.uavm.extractors import UAVMAudioFeatures, UAVMVisualFeatures, filtered_frames, scaled_size
from projects.uavm.uavm.frames import normalised_frames


def write_clip(path, seconds: float = 4, size: tuple[int, int] = (72, 96), fps: float = 25) -> None:
    """Frame i has the grey 2 i."""
    frames = [np.full((*size, 3), 2 * i, np.uint8) for i in range(round(seconds * fps))]
    sound = np.random.default_rng(0).normal(size=round(16000 * seconds)) * 0.1
    write_video(path, frames, fps, sound, form='lossless')


def test_three_frames_a_second_are_taken_at_the_nearest_time(tmp_path):
    write_clip(tmp_path / 'clip.mkv')
    frames = filtered_frames(str(tmp_path / 'clip.mkv'), 3, 48)
    assert frames.shape == (12, 48, 64, 3)
    # Output n is the last frame whose time, in thirds of a second, is rounded to n.
    times = np.floor(np.arange(100) / 25 * 3 + 0.5)
    expected = [2 * int(np.flatnonzero(times <= n)[-1]) for n in range(12)]
    assert [int(frame[10, 10, 0]) for frame in frames] == expected
    part = filtered_frames(str(tmp_path / 'clip.mkv'), 3, 48, start=1.0, duration=2.0)
    np.testing.assert_array_equal(part, frames[3:9])


def test_sizes_are_rounded_down():
    assert [scaled_size(*s) for s in ((240, 320), (320, 240), (233, 317), (50, 50))] == [
        (224, 298), (298, 224), (224, 304), (224, 224)]


def test_a_single_frame_is_kept_and_lengths_are_one(tmp_path):
    write_clip(tmp_path / 'short.mkv', seconds=0.2)
    extractor = EXTRACTORS.build(dict(type='UAVMVisualFeatures', size='tiny', short_side=48, l2_normalize=True)).eval()
    units = extractor.load(Media(tmp_path / 'short.mkv'))
    with torch.no_grad():
        features = extractor.finish(extractor(units))
    assert units.shape == (1, 3, 48, 64) and units.dtype == torch.uint8
    assert features.shape == (1, 768) and features.dtype == np.float16
    assert np.linalg.norm(features.astype(float)) == pytest.approx(1, abs=1e-3)


def test_the_sound_is_what_the_data_set_gives_in_evaluation(tmp_path):
    write_clip(tmp_path / 'clip.mkv', seconds=1)
    import soundfile
    extractor = UAVMAudioFeatures(size='tiny', target_length=128)
    soundfile.write(tmp_path / 'clip.wav', Media(tmp_path / 'clip.mkv').sound(16000, True)[0], 16000)
    write_list(tmp_path, [dict(labels='vgg_0', wav='clip.wav')])
    data = UAVMAudioDataset('clips.json', 'labels.csv', data_root=str(tmp_path), target_length=128, test_mode=True)
    torch.testing.assert_close(extractor.load(Media(tmp_path / 'clip.mkv'))[0], data[0]['inputs']['audio'],
                               atol=1e-3, rtol=1e-3)


def test_weights_come_from_our_checkpoints_and_from_official_ones(tmp_path):
    model = MODELS.build(dict(type='UAVMAudioExtractor', num_classes=4, fusion=dict(type='ConcatFusion'),
                              encoders=dict(audio=dict(type='ConvNeXtEncoder', size='tiny', in_channels=1))))
    save_checkpoint(dict(state_dict=model.state_dict()), tmp_path / 'ours.pth')
    official = {f'module.{n}': v for n, v in converter.to_official(model.state_dict(), 'audio_extractor').items()}
    save_checkpoint(official, tmp_path / 'official.pth')
    states = [UAVMAudioFeatures(weights=str(tmp_path / name), size='tiny').state_dict()
              for name in ('ours.pth', 'official.pth')]
    for name, value in model.encoders['audio'].state_dict().items():
        assert all(torch.equal(state[f'encoder.{name}'], value) for state in states), name


def test_both_are_written_into_one_store(tmp_path):
    from avmm.extraction.engine import Extraction
    from avmm.extraction.items import read_items
    from avmm.extraction.run import StoreRun
    from avmm.extraction.shards import Layout, Shard
    (tmp_path / 'videos').mkdir()
    for i, seconds in enumerate((1, 2)):
        write_clip(tmp_path / f'videos/clip{i}.mkv', seconds)
    extractors = dict(audio=dict(type='UAVMAudioFeatures', size='tiny', target_length=96),
                      visual=dict(type='UAVMVisualFeatures', size='tiny', short_side=32))
    with Extraction(extractors, num_workers=0) as extraction:
        items = read_items(tmp_path / 'videos', None, ['.mkv'], [])
        StoreRun(extraction, items, Layout(tmp_path / 'out.h5', Shard())).run()
    store = FeatureStore(tmp_path / 'out.h5')
    assert store['audio'][0].shape == (3, 768) and store['visual'].lengths.tolist() == [3, 6]


def test_wrong_options_and_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match='20 frames of 128 bands are too few'):
        UAVMAudioFeatures(size='tiny', target_length=20)
    with pytest.raises(ConfigError, match='short_side at least 32'):
        UAVMVisualFeatures(size='tiny', short_side=8)
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    with pytest.raises(DataError, match='broken.mp4: not a readable video'):
        filtered_frames(str(tmp_path / 'broken.mp4'))


def test_frames_pass_an_extractor_that_was_trained_here(tmp_path):
    size = dict(channels=(4, 6, 8, 10), depths=(1, 1, 1, 1))
    trained = MODELS.build(dict(type='AVClassifier', num_classes=3, fusion=dict(type='ConcatFusion'),
                                encoders=dict(visual=dict(type='ConvNeXtEncoder', size=size, layer_scale=1.0))))
    save_checkpoint(dict(state_dict=trained.state_dict()), str(tmp_path / 'trained.pth'))
    options = dict(size=size, short_side=32, layer_scale=1.0)
    extractor = UAVMVisualFeatures(weights=str(tmp_path / 'trained.pth'), **options).eval()
    frames = torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8)
    with torch.no_grad():
        expected = trained.encoders.visual.eval().feature_maps(normalised_frames(frames)).mean((2, 3))
        torch.testing.assert_close(extractor(frames), expected)
    with pytest.raises(CheckpointError, match='trained.pth does not fit ConvNeXtEncoder'):
        UAVMVisualFeatures(weights=str(tmp_path / 'trained.pth'), size='tiny')
