"""The figures: what the names of work directories say, what is drawn from where."""
from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from projects.inverse_balance.tools import figure_drawing as drawing
from projects.inverse_balance.tools import figures
from projects.inverse_balance.tools.published import GAMMA_SWEEP, METHODS, TABLE

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
KS = 'iemf_ann_ogmge{}_1xb32-100e_kinetics_sounds'


def make_run(folder: Path, values: list[float], xi: float | None = None) -> Path:
    """A work directory whose validations gave ``values``."""
    (folder / 'now' / 'vis_data').mkdir(parents=True)
    lines = [{'accuracy/joint': value, 'step': epoch} for epoch, value in enumerate(values, 1)]
    if xi is not None:
        lines = [dict(line, **{'inverse/middle': xi}) for line in lines]
    (folder / 'now' / 'vis_data' / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return folder


def run_figures(monkeypatch, capsys, *args) -> SimpleNamespace:
    path = Path(figures.__file__)
    monkeypatch.setattr(sys, 'argv', [str(path), *map(str, args)])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path), run_name='__main__')
    return SimpleNamespace(status=stop.value.code, **capsys.readouterr()._asdict())


def test_every_config_of_the_study_says_what_it_is():
    names = [path.stem for path in CONFIGS.glob('iemf_*.py')]
    rows = {figures.row_of(name) for name in names}
    assert None not in rows and len(rows) == len(names) > 50
    for network, data, variant in TABLE:
        assert {figures.Row(network, method, variant, data) for method in METHODS} <= rows
    assert {row.gamma for row in rows if row.gamma} == set(GAMMA_SWEEP)


def test_mean_and_deviation_over_seeds_of_the_best_or_the_last_epoch(tmp_path):
    folders = [make_run(tmp_path / f'{KS.format("")}_seed{i}', [50, 60 + i, 55]) for i in (0, 2)]
    runs = figures.load_runs([*map(str, folders)])
    (row, ) = runs
    assert figures.measured(runs, row, 'accuracy/joint', 'best') == (61, pytest.approx(2 ** 0.5), 2)
    assert figures.measured(runs, row, 'accuracy/joint', 'last') == (55, 0, 2)
    assert figures.measured(runs, figures.Row('snn', 'lfm', 'vanilla', 'cremad'), 'accuracy/joint', 'best') is None


def test_a_summary_of_the_official_program(tmp_path):
    folder = tmp_path / 'official'
    folder.mkdir()
    header = 'epoch,train_loss,eval_top1,eval_inverse_sc2\n'
    (folder / 'summary.csv').write_text(f'{header}0,2.0,30.5,1.1\n1,1.5,41.0,1.0\n')
    (logs, ) = figures.load_runs([f'{KS.format("_inverse")}={folder}']).values()
    assert logs[0].curve('accuracy/joint') == ([1, 2], [30.5, 41.0])
    assert logs[0].curve('inverse/middle') == ([1, 2], [1.1, 1.0])
    (folder / 'summary.csv').write_text('a,b\n1,2\n')
    with pytest.raises(figures.DataError, match='summary.csv: not a summary of the official program'):
        figures.load_runs([f'{KS.format("")}={folder}'])


def test_published_bars_are_told_from_measured_ones():
    reference = {v: TABLE['ann', 'cremad', v] for v in ('vanilla', 'inverse')}
    alone = drawing.bars('cremad', 'ann', reference, {v: [None] * 4 for v in reference})
    both = drawing.bars('cremad', 'ann', reference, {v: [(65.0, 1.0, 3), None, None, None] for v in reference})
    assert [text.get_text() for text in alone.legends[0].get_texts()] == ['vanilla, published', 'w/ IEMF, published']
    assert len(both.legends[0].get_texts()) == 4
    hatched = [[bar for bar in figure.axes[0].patches if bar.get_width() and bar.get_hatch()]
               for figure in (alone, both)]
    solid = [bar for bar in both.axes[0].patches if bar.get_width() and not bar.get_hatch()]
    assert [len(bars) for bars in hatched] == [8, 8]
    assert [bar.get_height() for bar in solid] == [65.0, 65.0]
    assert alone.axes[0].get_ylim()[0] == 60


def test_mean_curve_takes_the_epochs_that_all_have():
    assert drawing.mean_curve([([1, 2, 3], [1, 2, 3]), ([2, 3, 4], [4, 7, 9])]) == ([2, 3], [3, 5])


def test_pictures(monkeypatch, capsys, tmp_path):
    make_run(tmp_path / 'runs' / KS.format('_inverse'), [40, 62], xi=1.1)
    make_run(tmp_path / 'runs' / KS.format('_inverse_gamma0p5'), [40, 61])
    make_run(tmp_path / 'runs' / 'iemf_ann_audio_scratch_1xb32-100e_cremad', list(range(20, 95)))
    make_run(tmp_path / 'runs' / 'other', [1])
    done = run_figures(monkeypatch, capsys, *sorted((tmp_path / 'runs').iterdir()), '--out-dir', tmp_path / 'out',
                       '--figures', 'c1', 'c2', 'd', 'e')
    assert done.status == 0, done.err
    assert 'other: passed over' in done.err
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == ['figure_2c1.png', 'figure_2c2.png', 'figure_2d_cremad_audio.png',
                     f'figure_2e_{KS.format("_inverse")}.png']
    with Image.open(tmp_path / 'out' / 'figure_2c1.png') as picture:
        assert len(set(picture.convert('L').tobytes())) > 20


def test_what_cannot_be_drawn_is_said(monkeypatch, capsys, tmp_path):
    done = run_figures(monkeypatch, capsys, '--figures', 'd', 'e', '--out-dir', tmp_path)
    assert (done.status, list(tmp_path.iterdir())) == (0, [])
    assert 'figure d: none of the runs' in done.out and 'figure e: none of the runs' in done.out
    done = run_figures(monkeypatch, capsys, 'mine=' + str(tmp_path))
    assert done.status == 2 and 'mine is not named like a config of this project' in done.err
    done = run_figures(monkeypatch, capsys, tmp_path / KS.format(''))
    assert done.status == 2 and done.err.count('\n') == 1 and 'no such file or work directory' in done.err
