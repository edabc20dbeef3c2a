from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from avmm.registry import DATASETS, MODELS
from avmm.testing import ToyAVDataset, ToyAVModel, toy_config, write_avi

TOOL = 'analysis_tools/event_timeline.py'
CLASSES = ('Bark', 'Flute', 'background')
SIZE = 5


@DATASETS.register_module(force=True)
class TimelineDataset(ToyAVDataset):
    """Videos ``v0``, ``v1``, ...; the event of video i is as long as i says."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.metainfo['classes'] = CLASSES

    def __getitem__(self, index):
        item = super().__getitem__(index)
        item['data_samples'].set_metainfo(dict(sample_id=f'v{int(index)}'))
        item['data_samples'].set_gt_segments(np.where(np.arange(SIZE) < int(index) % SIZE, 0, 2))
        return item


@MODELS.register_module(force=True)
class TimelineModel(ToyAVModel):
    """Hears a bark in the first segment, and nothing else; its maps look at the upper left corner."""

    with_attention = False

    def forward(self, inputs, data_samples=None, mode='tensor'):
        samples = super().forward(inputs, data_samples, mode)
        if mode != 'predict':
            return samples
        for sample in samples:
            labels = torch.tensor([0] + [2] * (SIZE - 1))
            sample.set_pred_segments(labels, torch.eye(3)[labels])
            sample.set_unimodal_segments({'audio': labels, 'visual': torch.ones_like(labels)})
            if self.with_attention:
                maps = torch.zeros(SIZE, 3, 3)
                maps[:, 0, 0] = 1
                sample.set_attention({'spatial': maps, 'interaction': torch.ones(SIZE, 2)})
        return samples


@pytest.fixture
def run(run_tool, tmp_path):
    config, checkpoint = tmp_path / 'toy.py', tmp_path / 'toy.pth'
    cfg = toy_config(tmp_path / 'work', model=dict(type='TimelineModel', num_classes=3))
    for split in ('test', 'val'):
        cfg[f'{split}_dataloader'].update(batch_size=2, dataset=dict(type='TimelineDataset', length=6))
    cfg.dump(config)
    torch.save(dict(state_dict=ToyAVModel(num_classes=3).state_dict()), checkpoint)
    return lambda *args: run_tool(TOOL, config, checkpoint, '--out', tmp_path / 'out', *args)


def names(folder) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_first_videos_are_drawn(run, tmp_path):
    result = run('--num', 2)
    assert result.status == 0, result.err
    assert result.out.strip() == f'2 pictures: {tmp_path / "out"}'
    assert names(tmp_path / 'out') == ['v0.png', 'v1.png']
    assert Image.open(tmp_path / 'out' / 'v0.png').size[0] > 1000


def test_named_and_worst_videos_are_drawn(run, tmp_path):
    assert run('--ids', 'v5', 'v1', '--split', 'val').status == 0
    assert names(tmp_path / 'out') == ['v1.png', 'v5.png']
    # Of video 4 four segments are an event, of which the model finds one.
    assert run('--worst', '--num', 1).status == 0
    assert names(tmp_path / 'out') == ['v1.png', 'v4.png', 'v5.png']


def test_attention_is_laid_over_frames(run, tmp_path):
    videos = tmp_path / 'videos'
    videos.mkdir()
    write_avi(tmp_path / 'v0.avi', frames=12).rename(videos / 'v0.mp4')
    result = run('--num', 2, '--video-root', videos, '--frames', 2)
    assert result.status == 0, result.err
    assert result.out.strip().endswith(f'out; 1 have no video in {videos}')
    frames = sorted((tmp_path / 'out' / 'v0').iterdir())
    assert [p.name for p in frames] == [f'{i:04d}.jpg' for i in range(10)]
    # Frames 0 and 1 are the first segment, 8 and 9 the last; the two behind it are not used. Frame i is grey of 40 i.
    first, last = (np.asarray(Image.open(frames[i])).astype(int) for i in (1, 9))
    assert abs(first[-20:, -20:] - 40).max() < 6 and abs(last[-20:, -20:] - 255).max() < 6
    assert np.ptp(first[10, 10]) > 40
    assert names(tmp_path / 'out') == ['v0', 'v0.png', 'v1.png']
    assert run('--num', 1, '--video-root', videos, '--frames', 2, '--published-colours').status == 0
    dimmed = np.asarray(Image.open(frames[9])).astype(int)
    # 0.2 of the dark blue of no attention, and 0.6 of white.
    assert abs(dimmed[-20:, -20:] - [153, 153, 179]).max() < 8


@pytest.mark.parametrize(('args', 'message'), [
    (['--ids', 'v1', 'v77'], '--ids v77: the test split has no such video'),
    (['--num', '0'], '--num 0: must be at least 1'),
    (['--seconds', '0'], '--seconds 0: must be above 0'),
    (['--frames', '4'], '--frames 4: must be at least 0, and needs --video-root'),
    (['--video-root', 'gone'], '--video-root gone: no such folder'),
    (['--split', 'noisy'], '--split noisy: the config has no noisy_dataloader; it has train, val, test'),
])
def test_errors_are_one_line(run, args, message):
    result = run(*args)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')


def test_a_video_that_is_too_short_or_outside(run, tmp_path):
    videos = tmp_path / 'videos'
    videos.mkdir()
    write_avi(tmp_path / 'v0.avi', frames=4).rename(videos / 'v0.mp4')
    result = run('--num', 1, '--video-root', videos)
    assert result.err.strip() == f'error: {videos / "v0.mp4"}: 4 frames are too few for 5 segments'


def test_a_model_without_segments_is_refused(run_tool, toy):
    result = run_tool(TOOL, *toy)
    assert (result.status, result.err.strip()) == (
        2, f'error: {toy[0]}: its model predicts no segments; only event localisers have a time line')
