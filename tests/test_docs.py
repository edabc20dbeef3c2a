"""The documentation names what exists."""
from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PAGES = sorted(p.relative_to(REPO).as_posix() for p in [
    *(REPO / 'docs').glob('*.md'), *REPO.glob('*.md'), *REPO.glob('projects/*/README.md')])
HOOKS = runpy.run_path(str(REPO / 'docs' / 'hooks.py'))
#: Names that stand for whatever the reader chooses.
INVENTED = ('my_method', 'MyMethod')


@pytest.mark.parametrize('page', PAGES)
def test_files_that_a_page_names_exist(page):
    text = (REPO / page).read_text(encoding='utf-8')
    folders = 'tools|configs|projects|docs|tests|avmm'
    named = set(re.findall(rf'(?<![\w/.~-])((?:{folders})/[\w/.-]+\.(?:py|sh|md|yml))', text))
    missing = sorted(name for name in named if not any(word in name for word in INVENTED)
                     and not (REPO / name).exists() and not ((REPO / page).parent / name).exists())
    assert not missing, f'{page} names files that do not exist: {missing}'


@pytest.mark.parametrize('page', PAGES)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r'```.*?```', '', (REPO / page).read_text(encoding='utf-8'), flags=re.DOTALL)
    targets = [t.partition('#')[0] for t in re.findall(r'\]\(([^)\s]+)\)', text) if '://' not in t]
    missing = [t for t in targets if t and not ((REPO / page).parent / t).exists()]
    assert not missing, f'{page} links to {missing}'


@pytest.mark.parametrize('page', PAGES)
def test_python_blocks_are_python(page):
    for block in re.findall(r'```python\n(.*?)```', (REPO / page).read_text(encoding='utf-8'), re.DOTALL):
        ast.parse(block)


def test_every_component_is_listed_with_a_sentence():
    tables = HOOKS['component_tables'](REPO / 'avmm')
    for registry, name in [('DATASETS', 'AVClipDataset'), ('HOOKS', 'OGMGE'), ('MODELS', 'AVClassifier'),
                           ('LOSSES', 'FocalLoss'), ('DATA_SAMPLERS', 'DefaultSampler')]:
        assert f'| `{name}` |' in tables.partition(f'## {registry}\n')[2].partition('\n## ')[0]
    silent = re.findall(r'^\| `(\w+)` \|  \|', tables, re.MULTILINE)
    assert not silent, f'without a docstring: {silent}'


def test_markup_of_docstrings_becomes_markdown():
    code = 'def f():\n    """Of :class:`~a.B` and ``c|d``, see `paper <https://x.org>`_.\n\n    More."""'
    assert HOOKS['summary'](ast.parse(code).body[0]) == 'Of `a.B` and `c\\|d`, see [paper](https://x.org).'


def test_every_command_is_listed():
    table = HOOKS['tool_table'](REPO / 'tools')
    assert '| `tools/train.py` | Train a model from a config. |' in table
    assert re.search(r'\|  \|$', table, re.MULTILINE) is None


def test_every_page_is_in_the_navigation():
    nav = (REPO / 'mkdocs.yml').read_text(encoding='utf-8').partition('nav:')[2]
    pages = {p.name for p in (REPO / 'docs').glob('*.md')}
    assert set(re.findall(r': (\w+\.md)', nav)) == pages
