"""Pictures of calibrated recognition."""
from __future__ import annotations

import json

import numpy as np
import pytest

from avmm.utils import ConfigError, DataError
from avmm.visualization.style import new_figure
from projects.tcaf.tcaf.evaluation import calibrate
from projects.tcaf.tcaf.gzsl_metric import write_curves
from projects.tcaf.tcaf.pictures import draw_calibration, draw_recalls, read_curves
from projects.tcaf.tools import gzsl_curves as tool


@pytest.fixture
def curves(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 4], 80)
    distances = rng.random((80, 5)) + 1.0
    distances[np.arange(80), labels] -= 0.5
    found = calibrate(distances, labels, range(5), [0, 1, 2], [3, 4])
    path = tmp_path / 'run.json'
    write_curves(path, dict(both=found, audio=found), ['dog', 'cat', 'bird', 'fish', 'bee'])
    return path, found


def test_the_calibration(curves):
    path, found = curves
    axis = draw_calibration(new_figure()[1][0][0], read_curves(path)['modes']['both'], 'title')
    lines = {line.get_label(): line.get_ydata() for line in axis.get_lines()}
    np.testing.assert_allclose(lines['harmonic mean (HM)'], 100 * found.hm)
    np.testing.assert_allclose(lines['seen (S)'], 100 * found.seen)
    assert axis.texts[0].get_text() == f'β = {found.beta:.3g}: {100 * found.hm.max():.1f} %'


def test_recalls_of_classes_with_clips_from_the_best_to_the_worst(curves):
    path, found = curves
    content = read_curves(path)
    axis = draw_recalls(new_figure()[1][0][0], content['modes']['both'], content['classes'])
    names = [label.get_text() for label in axis.get_xticklabels()]
    assert len(names) == 4 and not any(name.startswith('fish') for name in names)
    assert names[3] == f'bee ({found.counts[4]})'
    heights = [bar.get_height() for bar in axis.patches]
    assert heights[:3] == sorted(heights[:3], reverse=True)
    np.testing.assert_allclose(sorted(heights[:3]), sorted(100 * found.recalls[found.best, :3]))


def test_the_command(curves, tmp_path, capsys):
    tool.main([str(curves[0])])
    tool.main([str(curves[0]), '--mode', 'audio', '--out', str(tmp_path / 'x'), '--format', 'svg'])
    made = sorted(path.name for path in tmp_path.rglob('run_*'))
    assert made == ['run_calibration.png', 'run_calibration.svg', 'run_recalls.png', 'run_recalls.svg']
    assert all(path.stat().st_size > 1000 for path in tmp_path.rglob('run_*'))
    with pytest.raises(ConfigError, match='--mode visual: .* has both, audio'):
        tool.main([str(curves[0]), '--mode', 'visual'])


def test_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match='the file of curves is missing'):
        read_curves(tmp_path / 'a.json')
    for content in ('{', '[]', json.dumps(dict(classes=['a'], modes=dict(both=dict(hm=[1], betas=[], recalls=[1]))))):
        (tmp_path / 'a.json').write_text(content)
        with pytest.raises(DataError, match='no curves of GZSLMetric'):
            read_curves(tmp_path / 'a.json')
