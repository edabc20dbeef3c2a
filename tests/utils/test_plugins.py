"""Importing what a config names in custom_imports."""
from __future__ import annotations

import sys
import types

import pytest

from avmm.utils import ConfigError
from avmm.utils.plugins import REPO_ROOT, import_plugins


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory outside the repository, and Python's import state as it was once the test is over."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if p not in ('', str(REPO_ROOT))])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(('outside', 'broken', 'projects')):
            del sys.modules[name]


def test_without_custom_imports():
    assert import_plugins({}) == []
    assert import_plugins({'custom_imports': None}) == []


def test_project_of_the_repository_is_found_from_another_folder(elsewhere):
    assert import_plugins(dict(custom_imports=dict(imports=['projects']))) == ['projects']
    assert sys.modules['projects'].__path__ == [str(REPO_ROOT / 'projects')]


def test_package_of_the_working_directory(elsewhere):
    package = elsewhere / 'outside_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('LOADED = True\n')
    assert import_plugins(dict(custom_imports='outside_pkg')) == ['outside_pkg']
    assert sys.modules['outside_pkg'].LOADED


@pytest.mark.parametrize(('entry', 'message'), [
    (dict(import_=['a']), "it must look like dict\\(imports="),
    (3, 'custom_imports is 3; it must look like'),
    (dict(imports=['my/module.py']), "names 'my/module.py', which is no dotted module name"),
    (dict(imports=['no_such_package.models']), "there is no package 'no_such_package' .*PYTHONPATH"),
    (dict(imports=['projects.no_such_project.models']), "there is no module 'projects.no_such_project'"),
])
def test_messages(entry, message, elsewhere):
    with pytest.raises(ConfigError, match=message) as caught:
        import_plugins(dict(custom_imports=entry))
    assert '\n' not in str(caught.value)


def test_module_that_exists_but_fails_says_why(elsewhere):
    (elsewhere / 'broken_plugin.py').write_text('import no_such_dependency\n')
    with pytest.raises(ConfigError, match="broken_plugin was found but cannot be imported: .*'no_such_dependency'"):
        import_plugins(dict(custom_imports=['broken_plugin']))


def test_failed_imports_may_be_allowed(elsewhere):
    with pytest.warns(UserWarning, match='no_such_package.*ignored'):
        assert import_plugins(dict(custom_imports=dict(imports=['no_such_package'], allow_failed_imports=True))) == []


def test_foreign_package_called_projects_is_one_clear_message(elsewhere, monkeypatch):
    foreign = types.ModuleType('projects')
    foreign.__path__ = [str(elsewhere / 'site' / 'projects')]
    for name in [n for n in sys.modules if n.split('.')[0] == 'projects']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'projects', foreign)
    with pytest.raises(ConfigError, match='projects is already imported from .*site/projects, which hides .*rename'):
        import_plugins(dict(custom_imports=['projects.example_project.example_project']))
