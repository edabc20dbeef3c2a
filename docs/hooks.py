"""What mkdocs fills in: the list of all components, read from the sources without importing them."""
from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
MARK = '<!-- components -->'


def on_page_markdown(markdown: str, **kwargs) -> str:
    """Put the tables in the place of the mark."""
    return markdown.replace(MARK, component_tables(REPO / 'avmm')) if MARK in markdown else markdown


def component_tables(package: Path) -> str:
    """A section for each registry with the names and first sentences of what is registered in ``package``."""
    registries = defaultdict(dict)
    for path in sorted(package.rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for node in ast.walk(tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                for registry in registries_of(node):
                    summary = (ast.get_docstring(node) or '').strip().split('\n\n')[0]
                    place = path.relative_to(REPO).as_posix()
                    registries[registry][node.name] = (' '.join(summary.split()), place)
    return '\n\n'.join(table(name, registries[name]) for name in sorted(registries))


def registries_of(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    """Names of the registries whose decorator a class or function wears."""
    found = []
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(call, ast.Attribute) and call.attr == 'register_module' and isinstance(call.value, ast.Name):
            found.append(call.value.id)
    return found


def table(registry: str, components: dict[str, tuple[str, str]]) -> str:
    """The section of one registry."""
    rows = [f'| `{name}` | {escape(summary)} | `{place}` |' for name, (summary, place) in sorted(components.items())]
    return '\n'.join([f'## {registry}', '', '| name | what it is | where |', '|---|---|---|', *rows])


def escape(text: str) -> str:
    """Docstring markup as plain Markdown for a table cell."""
    for old, new in (('|', '\\|'), ('``', '`'), (':class:', ''), (':meth:', ''), ('~', '')):
        text = text.replace(old, new)
    return text
