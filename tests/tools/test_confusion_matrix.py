from __future__ import annotations

import csv

import numpy as np
import pytest

TOOL = 'analysis_tools/confusion_matrix.py'


@pytest.fixture
def predictions(tmp_path):
    """Three classes; one cat and one dog are wrong together, and the audio says cat always."""
    labels = np.array([0, 0, 1, 1, 2])
    guesses = np.array([0, 1, 1, 2, 2])
    path = tmp_path / 'predictions.npz'
    np.savez(path, gt_label=labels, pred_score=np.eye(3)[guesses], score_audio=np.tile([1.0, 0.0, 0.0], (5, 1)),
             sample_id=np.array(list('abcde')))
    return path


def matrix_in(path):
    rows = list(csv.reader(path.open()))
    return rows[0][1:], np.array([[float(x) for x in row[1:]] for row in rows[1:]])


def test_from_a_file_of_predictions(run_tool, predictions, tmp_path):
    picture, numbers = tmp_path / 'joint.png', tmp_path / 'joint.csv'
    result = run_tool(TOOL, predictions, '--out', picture, '--csv', numbers, '--classes', 'cat', 'dog', 'owl')
    assert result.status == 0, result.err
    assert 'accuracy 60.00 % of 5 samples' in result.out and 'cat taken for dog: 1 times' in result.out
    names, matrix = matrix_in(numbers)
    assert names == ['cat', 'dog', 'owl']
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert picture.read_bytes()[:4] == b'\x89PNG'


def test_shares_of_one_modality(run_tool, predictions, tmp_path):
    numbers = tmp_path / 'audio.csv'
    args = ['--of', 'audio', '--out', tmp_path / 'a.png', '--csv', numbers]
    assert run_tool(TOOL, predictions, *args, '--normalize', 'pred').status == 0
    assert matrix_in(numbers)[1][:, 0].tolist() == [0.4, 0.4, 0.2]
    assert run_tool(TOOL, predictions, *args, '--normalize', 'true').status == 0
    assert matrix_in(numbers)[1].tolist() == [[1, 0, 0]] * 3


def test_from_a_config_and_a_checkpoint(run_tool, toy, tmp_path):
    numbers = tmp_path / 'visual.csv'
    result = run_tool(TOOL, *toy, '--of', 'visual', '--out', tmp_path / 'v.png', '--csv', numbers)
    assert result.status == 0, result.err
    names, matrix = matrix_in(numbers)
    assert names == ['class_0', 'class_1', 'class_2', 'class_3']
    assert matrix.sum(1).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize(('args', 'message'), [
    (['gone.npz'], 'gone.npz: no such file'),
    (['{file}', '--of', 'depth'], '--of depth: the predictions have joint, audio'),
    (['{file}', '--classes', 'cat'], '--classes has 1 names, the predictions have 3 classes'),
    (['config.py'], 'name a checkpoint after the config, or the .npz of tools/test.py --out alone'),
])
def test_errors_are_one_line(run_tool, predictions, tmp_path, args, message):
    result = run_tool(TOOL, *[arg.format(file=predictions) for arg in args], '--out', tmp_path / 'x.png')
    assert (result.status, result.err.strip()) == (2, f'error: {message}')


def test_a_file_that_is_no_predictions(run_tool, tmp_path):
    path = tmp_path / 'torn.npz'
    path.write_bytes(b'PK nothing')
    assert 'torn.npz: not a readable .npz file' in run_tool(TOOL, path, '--out', tmp_path / 'x.png').err
    np.savez(path, other=1)
    assert 'torn.npz: holds no pred_score' in run_tool(TOOL, path, '--out', tmp_path / 'x.png').err
