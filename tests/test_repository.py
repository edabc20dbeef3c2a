"""What is tracked in the repository, and who imports whom."""
from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
LIMITS = dict(lines=500, megabytes=2)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(['git', 'ls-files', '-z', '--', *patterns], cwd=REPO, capture_output=True, text=True,
                            check=True).stdout
    return [REPO / name for name in listed.split('\0') if name and (REPO / name).is_file()]


def imported_modules(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding='utf-8'), str(path))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def test_no_absolute_path_of_a_machine():
    # Put together so that this file does not find itself.
    folders = (r'home/\w+', r'root/\.', r'Users/\w+', 'work/', 'tmp/venvs')
    homes = re.compile('|'.join('/' + folder for folder in folders))
    found = []
    for path in tracked('*.py', '*.md', '*.txt', '*.toml', '*.yml', '*.yaml', '*.sh', '*.cfg', '*.json', '.ci/*'):
        lines = enumerate(path.read_text(encoding='utf-8').splitlines(), 1)
        found += [f'{path.relative_to(REPO)}:{n}: {line.strip()}' for n, line in lines if homes.search(line)]
    assert not found, '\n'.join(found)


def test_avmm_imports_no_project():
    found = [str(path.relative_to(REPO)) for path in tracked('avmm/*.py')
             if any(name.split('.')[0] == 'projects' for name in imported_modules(path))]
    assert not found, f'avmm must not know a project, and these import one: {found}'


def test_no_project_imports_another():
    found = []
    for path in tracked('projects/*.py'):
        parts = path.relative_to(REPO).parts
        others = [name for name in imported_modules(path)
                  if name.startswith('projects.') and len(parts) > 2 and name.split('.')[1] != parts[1]]
        found += [f'{path.relative_to(REPO)} imports {name}' for name in others]
    assert not found, f'what two projects need belongs to avmm: {found}'


def test_tests_neither_skip_nor_expect_to_fail():
    marks = re.compile(r'pytest\.(mark\.)?(skip|xfail)' + r'|assert ' + r'True\b')
    found = [str(path.relative_to(REPO)) for path in tracked('tests/*.py', 'projects/*.py')
             if path.name != Path(__file__).name and marks.search(path.read_text(encoding='utf-8'))]
    assert not found


def test_python_files_stay_readable():
    long = {str(p.relative_to(REPO)): n for p in tracked('*.py')
            if (n := len(p.read_text(encoding='utf-8').splitlines())) > LIMITS['lines']}
    assert not long, f'split what has more than {LIMITS["lines"]} lines: {long}'


def test_no_large_file():
    large = {str(p.relative_to(REPO)): size for p in tracked()
             if (size := p.stat().st_size / 2**20) > LIMITS['megabytes']}
    assert not large, f'files of more than {LIMITS["megabytes"]} MiB: {large}'


@pytest.mark.parametrize('name', ['README.md', 'LICENSE', 'NOTICE', 'CONTRIBUTING.md', 'CHANGELOG.md', '.ci/run'])
def test_house_files_are_there(name):
    assert (REPO / name).stat().st_size > 100


def test_every_requirement_has_a_section_and_extras_are_read():
    import runpy
    setup = runpy.run_path(str(REPO / 'setup.py'))
    extras = setup['read_extras']()
    assert {'quickstart', 'video', 'snn', 'demo', 'track', 'export', 'metrics', 'umap'} <= set(extras)
    assert all(extras.values())
    assert 'mmengine>=0.10.7,<0.12' in setup['read_requirements']('runtime')
    from avmm import __version__
    assert setup['read_version']() == __version__


def test_extras_that_messages_recommend_exist():
    import runpy
    extras = set(runpy.run_path(str(REPO / 'setup.py'))['read_extras']()) | {'all', 'tests', 'docs'}
    named = {}
    for path in tracked('avmm/*.py', 'tools/*.py', 'projects/*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'optional_import':
                extra = next((k.value for k in node.keywords if k.arg == 'extra'), node.args[-1])
                named[ast.literal_eval(extra)] = str(path.relative_to(REPO))
    assert set(named) <= extras, {k: v for k, v in named.items() if k not in extras}
