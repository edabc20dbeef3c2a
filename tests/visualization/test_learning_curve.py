from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image

from avmm.registry import HOOKS
from avmm.testing import build_toy_runner, toy_config
from avmm.visualization import LearningCurveHook, draw_learning_curves

HOOK = dict(type='LearningCurveHook')


def points_in(folder) -> list[dict]:
    return json.loads((folder / 'learning_curves.json').read_text())['points']


def config(folder, epochs: int = 3, **more):
    # AVAccuracy gives the accuracy of each modality, which the toy metric does not.
    return toy_config(folder, custom_hooks=[HOOK], val_evaluator=dict(type='AVAccuracy'),
                      train_cfg=dict(max_epochs=epochs), **more)


def test_points_and_picture_after_each_validation(tmp_path):
    runner = build_toy_runner(config(tmp_path))
    runner.train()
    points = points_in(tmp_path)
    assert [(p['epoch'], p['iter']) for p in points] == [(1, 4), (2, 8), (3, 12)]
    assert {'loss', 'accuracy/joint', 'accuracy/audio', 'accuracy/visual'} <= set(points[0])
    assert points[-1]['accuracy/joint'] == runner.message_hub.get_scalar('val/accuracy/joint').current()
    expected = runner.message_hub.get_scalar('train/loss').mean(4)
    assert points[-1]['loss'] == pytest.approx(expected)
    with Image.open(tmp_path / 'learning_curves.png') as picture:
        assert picture.size[0] > 500


@pytest.mark.parametrize('with_file', [True, False])
def test_resumed_run_goes_on_with_its_curve(tmp_path, with_file):
    whole, part = tmp_path / 'whole', tmp_path / 'part'
    build_toy_runner(config(whole)).train()
    part.mkdir()
    shutil.copy(whole / 'epoch_2.pth', part)
    if with_file:
        # Its third point lies behind the checkpoint and has to be measured again.
        shutil.copy(whole / 'learning_curves.json', part)
    resumed = build_toy_runner(config(part, resume=True))
    resumed.train()
    assert len(points_in(part)) == 3
    for ours, theirs in zip(points_in(part), points_in(whole), strict=True):
        assert ours == pytest.approx(theirs)


def test_a_new_run_in_an_old_folder_starts_a_new_curve(tmp_path):
    build_toy_runner(config(tmp_path)).train()
    build_toy_runner(config(tmp_path, epochs=1)).train()
    assert [p['epoch'] for p in points_in(tmp_path)] == [1]


def test_loaded_weights_bring_no_points(tmp_path):
    build_toy_runner(config(tmp_path / 'a', epochs=2)).train()
    build_toy_runner(config(tmp_path / 'b', epochs=1, load_from=str(tmp_path / 'a' / 'epoch_2.pth'))).train()
    assert [p['epoch'] for p in points_in(tmp_path / 'b')] == [1]


def test_checkpoints_with_points_load_safely(tmp_path):
    build_toy_runner(config(tmp_path, epochs=2)).train()
    stored = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['learning_curves']
    assert stored == points_in(tmp_path)[:1]


def test_a_picture_that_cannot_be_written_does_not_end_the_run(tmp_path, monkeypatch):
    from avmm.engine import checkpoint
    from avmm.utils import CheckpointError

    def full_disk(path):
        raise CheckpointError(f'{path} could not be written (No space left on device)')

    runner = build_toy_runner(config(tmp_path, epochs=1, default_hooks=dict(checkpoint=None)))
    said = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    monkeypatch.setattr(checkpoint, 'write_atomically', full_disk)
    runner.train()
    assert runner.epoch == 1
    assert any('learning curves are not up to date' in str(line) and 'No space left' in str(line) for line in said)


def test_a_torn_file_of_points_is_no_obstacle(tmp_path):
    hook = LearningCurveHook()
    for text in ('{"points": [{"it', '[]', '{"points": [3]}', '{"points": [{"iter": "x"}]}'):
        (tmp_path / 'learning_curves.json').write_text(text)
        assert hook._read(tmp_path) == []


def test_other_metrics_are_drawn_where_there_is_no_accuracy(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr('avmm.visualization.plots.draw_curves',
                        lambda axis, curves, *labels: drawn.append((curves, labels)))
    points = [{'epoch': 0, 'iter': i, 'loss': 1.0, 'mAP/joint': 2.0 * i, 'mAP/audio': 1.0 * i} for i in (5, 10)]
    draw_learning_curves(points, tmp_path / 'a.png')
    draw_learning_curves(points, tmp_path / 'b.png', metric='mAP', ylabel='mAP (%)')
    assert list(drawn[0][0]) == ['mAP/joint', 'mAP/audio'] and list(drawn[2][0]) == ['joint', 'audio']
    # By iteration, as all points are in one epoch.
    assert drawn[2] == ({'joint': ([5, 10], [10, 20]), 'audio': ([5, 10], [5, 10])},
                        ('validation', 'iteration', 'mAP (%)'))


def test_hook_is_found_by_name():
    assert isinstance(HOOKS.build(dict(HOOK, metric='mAP')), LearningCurveHook)
