from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from avmm.visualization import new_figure, save_figure
from avmm.visualization.prediction_hook import PredictionPictureHook
from avmm.visualization.timeline import (
    draw_segment_scores,
    draw_segments,
    event_timeline,
    sample_timeline,
    segment_colours,
)

CLASSES = ['Bark', 'Female speech, woman speaking', 'background']
TRACKS = {'truth': np.array([2, 0, 0, 0, 2, 2]), 'joint': np.array([0, 0, 0, 2, 2, 1]),
          'audio': np.array([1, 1, 1, 1, 1, 1])}
SCORES = np.full((6, 3), 0.1) + 0.7 * np.eye(3)[TRACKS['joint']]


@pytest.fixture
def axis():
    return new_figure()[1][0][0]


def boxes(axis, hatched: bool) -> list[tuple[float, float, int]]:
    found = [(p.get_x(), p.get_x() + p.get_width(), round(p.get_y() + p.get_height() / 2)) for p in axis.patches
             if bool(p.get_hatch()) == hatched]
    return sorted(found, key=lambda box: (box[2], box[0]))


def test_runs_are_boxes_and_what_is_wrong_is_hatched(axis):
    draw_segments(axis, {k: TRACKS[k] for k in ('truth', 'joint')}, CLASSES, 2, seconds=0.5)
    assert boxes(axis, False) == [(0, 0.5, 0), (0.5, 2, 0), (2, 3, 0),
                                  (0, 0.5, 1), (0.5, 1.5, 1), (1.5, 2, 1), (2, 2.5, 1), (2.5, 3, 1)]
    assert boxes(axis, True) == [(0, 0.5, 1), (1.5, 2, 1), (2.5, 3, 1)]
    assert [t.get_text() for t in axis.get_yticklabels()] == ['truth', 'joint']
    assert axis.get_ylim()[0] > axis.get_ylim()[1] and axis.get_xlim() == (0, 3)


def test_names_stand_where_there_is_room_and_confidences_everywhere(axis):
    draw_segments(axis, {'joint': np.array([1] * 5 + [0] * 4 + [1])}, CLASSES, 2,
                  {'joint': np.array([1.0, 0.254] + [0.5] * 8)})
    texts = [t.get_text() for t in axis.texts]
    assert texts.count('Bark') == 1 and texts.count('Female speech, woman speaking') == 1
    assert {'1.00', '.25', '.50'} <= set(texts) and len(texts) == 12


def test_colours_follow_the_first_appearance():
    colours = segment_colours(list(TRACKS.values()), background=2)
    assert list(colours) == [0, 1, 2] and len(set(colours.values())) == 3
    assert segment_colours([np.array([2, 2])], background=2) == {2: colours[2]}


def test_scores_are_steps(axis):
    draw_segment_scores(axis, SCORES, segment_colours(list(TRACKS.values()), 2), CLASSES, 2)
    steps = {patch.get_label(): patch for patch in axis.patches}
    assert set(steps) == set(CLASSES)
    assert steps['Bark'].get_data().values.tolist() == SCORES[:, 0].tolist()
    assert steps['background'].get_linestyle() == '--'


def test_a_whole_picture(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 20, 40, 3), dtype=np.uint8)
    figure = event_timeline(TRACKS, CLASSES, 2, SCORES, pictures, title='a video')
    top, middle, bottom = figure.axes
    assert len(top.get_images()) == 6 and [t.get_text() for t in top.get_yticklabels()] == ['attention']
    assert bottom.get_xlabel() == 'time (s)' and not middle.get_xlabel()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [*CLASSES, 'differs from the truth']
    figure.canvas.draw()
    # The three parts stand below each other over one time axis.
    places = [axis.get_position() for axis in (top, middle, bottom)]
    assert np.ptp([p.x0 for p in places]) < 1e-6 and places[0].y0 > places[1].y1 > places[1].y0 > places[2].y1
    assert Image.open(save_figure(figure, tmp_path / 'a.png')).size[0] > 1000


def test_labels_alone_are_enough():
    figure = event_timeline({'joint': TRACKS['joint']}, CLASSES, 2)
    assert len(figure.axes) == 1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ['Bark', 'Female speech, woman speaking',
                                                                     'background']


def make_sample() -> AVDataSample:
    sample = AVDataSample(metainfo=dict(sample_id='a/b')).set_gt_segments(TRACKS['truth'])
    sample.set_pred_segments(torch.as_tensor(TRACKS['joint']), torch.as_tensor(SCORES))
    return sample.set_unimodal_segments({'audio': torch.as_tensor(TRACKS['audio'])})


def test_a_sample_has_a_picture_with_or_without_names_and_truth():
    figure = sample_timeline(make_sample(), CLASSES)
    assert figure.get_suptitle() == 'a/b: 3 of 6 segments right'
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ['truth', 'joint', 'audio']
    bare = make_sample()
    del bare.gt_segments, bare.pred_segment_scores
    figure = sample_timeline(bare)
    assert figure.get_suptitle() == 'a/b'
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ['0', '1', '2']


def test_the_hook_of_test_runs_draws_time_lines(tmp_path):
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES))
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset))
    hook = PredictionPictureHook(tmp_path, interval=2)
    hook.after_test_iter(runner, 0, dict(inputs={}), [make_sample(), make_sample()])
    assert [p.name for p in tmp_path.iterdir()] == ['a_b.png']


def test_what_does_not_fit_is_refused(axis):
    with pytest.raises(ConfigError, match="equal numbers of segments, got {'truth': 6, 'joint': 2}"):
        draw_segments(axis, {'truth': TRACKS['truth'], 'joint': np.array([0, 1])}, CLASSES, 2)
    with pytest.raises(ConfigError, match='5 scores for 6 segments'):
        event_timeline(TRACKS, CLASSES, 2, SCORES[:5])
    with pytest.raises(ConfigError, match='1 pictures for 6 segments'):
        event_timeline(TRACKS, CLASSES, 2, pictures=np.zeros((1, 4, 4, 3)))
