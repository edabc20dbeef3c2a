from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from avmm.utils import CheckpointError, ConfigError
from avmm.visualization import (
    class_colours,
    colour_of,
    draw_class_scores,
    draw_confusion_matrix,
    draw_curves,
    draw_embedding,
    draw_frames,
    draw_sample,
    new_figure,
    save_figure,
    to_pictures,
)


@pytest.fixture
def axis():
    return new_figure()[1][0][0]


def test_figures_need_no_pyplot_and_are_saved_whole(tmp_path, axis):
    before = 'matplotlib.pyplot' in sys.modules
    draw_curves(axis, {'joint': ([1, 2], [3, 4])})
    path = save_figure(axis.figure, tmp_path / 'deep' / 'a.png')
    assert Image.open(path).size[0] > 100
    assert ('matplotlib.pyplot' in sys.modules) == before
    assert [p.name for p in path.parent.iterdir()] == ['a.png']


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, axis, monkeypatch):
    path = save_figure(axis.figure, tmp_path / 'a.png')
    old = path.read_bytes()

    def full_disk(*_args, **_kwargs):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(axis.figure, 'savefig', full_disk)
    with pytest.raises(CheckpointError, match='a.png could not be written'):
        save_figure(axis.figure, path)
    assert path.read_bytes() == old and len(list(tmp_path.iterdir())) == 1


def test_curves_have_the_colours_of_their_modalities(axis):
    draw_curves(axis, {'joint': ([1, 2], [3, 4]), 'audio': ([1, 2], [1, 2]), 'tactile': ([1], [2])})
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert lines['audio'].get_color() == colour_of('audio') != lines['joint'].get_color()
    assert lines['joint'].get_ydata().tolist() == [3, 4]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ['joint', 'audio', 'tactile']


@pytest.mark.parametrize('count', [1, 10, 11, 309])
def test_every_class_has_a_colour_of_its_own(count):
    assert len({str(c) for c in class_colours(count)}) == count


def test_confusion_matrix_shows_shares_of_the_rows(axis):
    draw_confusion_matrix(axis, np.array([[3, 1], [0, 0]]), ['cat', 'dog'], 'joint')
    assert sorted(t.get_text() for t in axis.texts) == ['25', '75']
    assert [t.get_text() for t in axis.get_yticklabels()] == ['cat', 'dog']
    assert axis.get_images()[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]


def test_confusion_matrix_of_many_classes_has_no_numbers(axis):
    draw_confusion_matrix(axis, np.eye(309, dtype=int), normalise=False)
    assert not axis.texts and len(axis.get_xticks()) <= 45


def test_embedding_names_its_classes(axis):
    draw_embedding(axis, torch.rand(6, 2), torch.tensor([0, 0, 2, 2, 2, 0]), ['a', 'b', 'c'])
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ['a', 'c']
    assert sum(len(c.get_offsets()) for c in axis.collections) == 6


@pytest.mark.parametrize('draw, message', [
    (lambda a: draw_confusion_matrix(a, np.zeros((2, 3))), r'shape \(C, C\), got \(2, 3\)'),
    (lambda a: draw_confusion_matrix(a, np.zeros((2, 2)), ['a']), '1 class names for a confusion matrix of 2'),
    (lambda a: draw_embedding(a, np.zeros((3, 3)), np.zeros(3)), r'got \(3, 3\) and \(3,\)'),
])
def test_wrong_shapes_are_refused(axis, draw, message):
    with pytest.raises(ConfigError, match=message):
        draw(axis)


def test_frames_become_pictures_whatever_their_scale():
    frames = torch.arange(3 * 2 * 4 * 5, dtype=torch.uint8).reshape(3, 2, 4, 5)
    pictures = to_pictures(frames)
    assert pictures.shape == (2, 4, 5, 3) and (pictures[1, 2, 3] == frames[:, 1, 2, 3].numpy()).all()
    assert (to_pictures(frames.float()) == pictures).all()
    assert (to_pictures(frames.float() / 255) == pictures).all()
    assert (to_pictures(list(pictures)) == pictures).all()
    normalised = to_pictures((frames.float() / 255 - 0.4) / 0.2)
    assert normalised.min() == 0 and normalised.max() == 255
    assert to_pictures(torch.rand(3, 4, 5)).shape == (1, 4, 5, 3)


def test_a_long_clip_is_drawn_with_some_of_its_frames(axis):
    draw_frames(axis, torch.zeros(3, 20, 8, 32), most=5)
    assert axis.get_title() == 'visual (5 of 20 frames)'
    assert axis.get_images()[0].get_array().shape == (8, 5 * 32 + 4, 3)


def test_a_sample_is_drawn_by_the_form_of_its_inputs():
    _, axes = new_figure(1, 3)
    draw_sample(axes[0], {'audio': torch.rand(1, 20, 30), 'visual': torch.rand(3, 2, 8, 8),
                          'raw': torch.rand(2, 1000) - 0.5})
    assert axes[0][0].get_images()[0].get_array().shape == (20, 30)
    assert axes[0][1].get_images()[0].get_array().shape[2] == 3
    assert len(axes[0][2].get_lines()[0].get_ydata()) == 1000


def test_class_bars_mark_the_truth(axis):
    scores = {'joint': torch.tensor([0.6, 0.1, 0.2, 0.1]), 'audio': torch.tensor([0.1, 0.1, 0.7, 0.1])}
    draw_class_scores(axis, scores, list('abcd'), truth=(3, ), most=3)
    assert [t.get_text() for t in axis.get_yticklabels()] == ['d (true)', 'c', 'a']
    assert len(axis.patches) == 6
