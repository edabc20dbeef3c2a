"""new_project.py writes a skeleton that works at once."""
from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from avmm.utils import ConfigError

REPO = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(REPO / 'tools' / 'misc' / 'new_project.py'))


class Recorder:
    """A pytest plugin that remembers what became of each test."""

    def __init__(self):
        self.outcomes = {}

    def pytest_runtest_logreport(self, report):
        if report.when == 'call' or report.outcome != 'passed':
            self.outcomes[report.nodeid] = report.outcome


def test_a_new_package_passes_its_own_tests(tmp_path, monkeypatch):
    folder = TOOL['write_project']('fresh_method', tmp_path / 'some where')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setenv('PYTEST_ADDOPTS', '')
    # In this process, which has torch already; with the settings that the new package brings.
    recorder = Recorder()
    status = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-p', 'no:junitxml'], plugins=[recorder])
    assert status == 0, recorder.outcomes
    assert len(recorder.outcomes) >= 8 and set(recorder.outcomes.values()) == {'passed'}
    assert sys.modules['fresh_method'].__file__ == str(folder / 'fresh_method' / '__init__.py')


def test_nothing_of_the_example_is_left(tmp_path):
    folder = TOOL['write_project']('fresh_method', tmp_path)
    files = [p for p in folder.rglob('*') if p.is_file()]
    assert {'README.md', 'pyproject.toml', 'fusion.py', 'balancing.py', 'metric.py', 'fresh_method_smoke.py',
            'fresh_method_av_digits.py', 'test_fresh_method.py'} <= {p.name for p in files}
    for path in files:
        text = path.read_text(encoding='utf-8')
        assert not re.search('example_?project', text, re.IGNORECASE), path
    assert [p.name for p in tmp_path.iterdir()] == ['fresh_method']


def test_a_project_of_the_repository_is_imported_below_projects(tmp_path, monkeypatch):
    write_project = TOOL['write_project']
    (tmp_path / 'projects').mkdir()
    monkeypatch.setitem(write_project.__globals__, 'REPO', tmp_path)
    folder = write_project('fresh_method')
    assert folder == tmp_path / 'projects' / 'fresh_method'
    assert not (folder / 'pyproject.toml').exists()
    smoke = (folder / 'configs' / 'fresh_method_smoke.py').read_text(encoding='utf-8')
    assert "'projects.fresh_method.fresh_method'" in smoke
    assert 'python tools/train.py projects/fresh_method/configs/fresh_method_smoke.py' in smoke
    init = (folder / 'fresh_method' / '__init__.py').read_text(encoding='utf-8')
    assert 'from projects.fresh_method.fresh_method.fusion import FreshMethodFusion' in init
    assert str(tmp_path) not in (folder / 'README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize(('name', 'message'), [
    ('My-Method', "'My-Method' cannot be the name of a package; use lower case letters"),
    ('2fast', "'2fast' cannot be the name"),
    ('class', "'class' cannot be the name"),
    ('../up', "'../up' cannot be the name"),
    ('json', "'json' is the name of a package that exists"),
    ('avmm', "'avmm' is the name of a package that exists"),
])
def test_names_that_cannot_be(name, message, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TOOL['write_project'](name, tmp_path)
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / 'taken').mkdir()
    (tmp_path / 'taken' / 'work.py').write_text('precious')
    with pytest.raises(ConfigError, match='taken exists already; choose another name, or remove it first'):
        TOOL['write_project']('taken', tmp_path)
    assert (tmp_path / 'taken' / 'work.py').read_text() == 'precious'
