from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from avmm.registry import HOOKS, VISUALIZERS
from avmm.structures import AVDataSample
from avmm.visualization import PredictionPictureHook
from avmm.visualization.prediction_hook import inputs_of


def make_sample(name: str = 'clip_1') -> AVDataSample:
    sample = AVDataSample(metainfo=dict(sample_id=name)).set_gt_label(2).set_pred_score(torch.tensor([0.1, 0.2, 0.7]))
    return sample.set_unimodal_scores({'audio': torch.tensor([0.5, 0.3, 0.2])})


def make_visualizer(tmp_path):
    return VISUALIZERS.build(dict(type='AVVisualizer', name=f'pictures_{tmp_path.name}', save_dir=str(tmp_path),
                                  vis_backends=[dict(type='LocalVisBackend')]))


def test_prediction_goes_into_a_file(tmp_path):
    inputs = {'audio': torch.rand(1, 16, 20), 'visual': torch.rand(3, 2, 8, 8)}
    drawn = make_visualizer(tmp_path).draw_prediction(inputs, make_sample(), ['a', 'b', 'c'],
                                                      out_file=tmp_path / 'out' / 'clip.png')
    with Image.open(tmp_path / 'out' / 'clip.png') as picture:
        assert picture.size[0] > picture.size[1] > 100
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.std() > 10


def test_without_a_file_it_goes_to_the_backends(tmp_path):
    visualizer = make_visualizer(tmp_path)
    visualizer.dataset_meta = dict(classes=['a', 'b', 'c'])
    visualizer.draw_prediction({'audio': torch.rand(1, 16, 20)}, make_sample(), step=3)
    assert [p.name for p in tmp_path.rglob('*.png')] == ['prediction_3.png']


def test_hook_draws_one_sample_in_so_many(tmp_path):
    hook = HOOKS.build(dict(type='PredictionPictureHook', out_dir=str(tmp_path / 'show'), interval=2))
    assert isinstance(hook, PredictionPictureHook)
    dataset = SimpleNamespace(metainfo=dict(classes=['a', 'b', 'c']))
    runner = SimpleNamespace(visualizer=make_visualizer(tmp_path), test_dataloader=SimpleNamespace(dataset=dataset))
    hook.before_test(runner)
    batch = dict(inputs={'audio': torch.rand(3, 1, 16, 20)})
    for start in (0, 3):
        hook.after_test_iter(runner, 0, batch, [make_sample(f'clip/{start + i}') for i in range(3)])
    assert sorted(p.name for p in (tmp_path / 'show').iterdir()) == ['clip_0.png', 'clip_2.png', 'clip_4.png']


def test_a_sample_gets_its_own_rows_where_some_lack_a_modality():
    inputs = {'audio': torch.arange(3), 'visual': torch.tensor([10, 12]),
              'present': {'visual': torch.tensor([True, False, True])}}
    assert inputs_of(inputs, 0) == {'audio': 0, 'visual': 10}
    assert inputs_of(inputs, 1) == {'audio': 1}
    assert inputs_of(inputs, 2) == {'audio': 2, 'visual': 12}
