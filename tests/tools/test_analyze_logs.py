from __future__ import annotations

import csv
import json

import pytest

from avmm.utils import DataError
from avmm.utils.run_logs import read_run

TOOL = 'analysis_tools/analyze_logs.py'


def write_log(folder, lines, end='\n'):
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(json.dumps(line) for line in lines) + end)


@pytest.fixture
def run_dir(tmp_path):
    """A run that was killed after its second validation and resumed from its first epoch."""
    work = tmp_path / 'normal'
    write_log(work / '20260101_000000' / 'vis_data', [
        dict(loss=2.0, lr=0.1, time=0.5, epoch=1, iter=10, step=10), {'accuracy/joint': 30.0, 'time': 9.0, 'step': 1},
        dict(loss=1.5, lr=0.1, time=0.4, epoch=2, iter=20, step=20), {'accuracy/joint': 35.0, 'step': 2}],
        end='\n{"loss": 1.')
    write_log(work / '20260102_000000' / 'vis_data', [
        dict(loss=1.4, lr=0.1, time=0.6, epoch=2, iter=20, step=20),
        {'accuracy/joint': 40.0, 'accuracy/audio': 20.0, 'step': 2}, {'accuracy/joint': 38.0, 'step': 3}])
    return work


def test_a_resumed_run_is_one_curve_and_the_later_value_counts(run_dir):
    log = read_run(run_dir)
    assert log.name == 'normal'
    assert log.curve('accuracy/joint') == ([1, 2, 3], [30.0, 40.0, 38.0])
    assert log.curve('loss') == ([10, 20], [2.0, 1.4])
    assert 'step' not in log.curves
    assert log.curve('time') == ([10, 20], [0.5, 0.6])
    assert log.curve('val/time') == ([1], [9.0])


def test_an_unknown_key_names_those_that_exist(run_dir):
    with pytest.raises(DataError, match=r"normal: 'acc' was never logged; it has accuracy/audio, accuracy/joint"):
        read_run(run_dir).curve('acc')


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text('{"loss": 1.0, "step": 1}\nnonsense\n{"loss": 0.5, "step": 2}\n')
    with pytest.raises(DataError, match=r'scalars\.json:2: not a JSON line'):
        read_run(path)


def test_table_of_two_runs(run_process, run_dir, tmp_path):
    out = tmp_path / 'out' / 'runs.csv'
    result = run_process(TOOL, 'table', run_dir, run_dir, '--keys', 'accuracy/joint', 'loss', '--csv', out)
    assert result.status == 0, result.err
    rows = list(csv.DictReader(out.open()))
    joint = next(row for row in rows if row['run'] == 'normal (1)' and row['key'] == 'accuracy/joint')
    assert (float(joint['last']), float(joint['best']), int(joint['best_step'])) == (38.0, 40.0, 2)
    loss = next(row for row in rows if row['run'] == 'normal (2)' and row['key'] == 'loss')
    assert (float(loss['best']), int(loss['best_step'])) == (1.4, 20)
    assert 'normal (1)' in result.out and 'time' in result.out


def test_plot_writes_picture_and_numbers(run_tool, run_dir, tmp_path):
    picture, numbers = tmp_path / 'curves.png', tmp_path / 'curves.csv'
    result = run_tool(TOOL, 'plot', run_dir, '--legend', 'Normal', '--keys', 'accuracy/joint', '--smooth', '0.5',
                         '--out', picture, '--csv', numbers)
    assert result.status == 0, result.err
    assert picture.read_bytes()[:4] == b'\x89PNG'
    rows = list(csv.reader(numbers.open()))
    assert rows[1:] == [['Normal', 'accuracy/joint', str(s), str(v)] for s, v in ((1, 30.0), (2, 40.0), (3, 38.0))]


@pytest.mark.parametrize(('args', 'message'), [
    (['table', 'nowhere'], 'nowhere: no such file or work directory'),
    (['plot', '{run}', '--legend', 'a', 'b'], '--legend has 2 names for 1 runs'),
    (['plot', '{run}', '--smooth', '1'], '--smooth 1.0: must be at least 0 and below 1'),
    (['plot', '{run}', '--out', 'x.txt'], 'x.txt: must end in .png or .pdf or .svg'),
])
def test_errors_are_one_line(run_tool, run_dir, args, message):
    result = run_tool(TOOL, *[arg.format(run=run_dir) for arg in args])
    assert result.status == 2
    assert result.err.strip() == f'error: {message}'
