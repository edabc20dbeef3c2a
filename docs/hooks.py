"""What mkdocs fills in: the list of all components, read from the sources without importing them."""
from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def on_page_markdown(markdown: str, **kwargs) -> str:
    """Put the tables in the place of their marks."""
    for mark, make in (('<!-- components -->', lambda: component_tables(REPO / 'avmm')),
                       ('<!-- tools -->', lambda: tool_table(REPO / 'tools'))):
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def tool_table(folder: Path) -> str:
    """The commands of a folder, each with the first sentence of its docstring."""
    rows = []
    for path in sorted(folder.rglob('*.py')):
        source = path.read_text(encoding='utf-8')
        if "__name__ == '__main__'" in source:
            rows.append(f'| `{path.relative_to(REPO).as_posix()}` | {summary(ast.parse(source))} |')
    return '\n'.join(['| command | what it does |', '|---|---|', *rows])


def summary(node: ast.AST) -> str:
    """First paragraph of a docstring, as text for the cell of a table."""
    paragraph = ' '.join((ast.get_docstring(node) or '').strip().split('\n\n')[0].split())
    paragraph = re.sub(r'`([^`<]+) <(\S+)>`_', r'[\1](\2)', paragraph)
    paragraph = re.sub(r':\w+:(?=`)', '', paragraph).replace('``', '`').replace('`~', '`')
    return paragraph.replace('|', '\\|').replace('::', ':')


def component_tables(package: Path) -> str:
    """A section for each registry with what is registered in ``package``."""
    registries = defaultdict(dict)
    for path in sorted(package.rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for node in ast.walk(tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                for registry in registries_of(node):
                    registries[registry][node.name] = (summary(node), path.relative_to(REPO).as_posix())
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
    rows = [f'| `{name}` | {text} | `{place}` |' for name, (text, place) in sorted(components.items())]
    return '\n'.join([f'## {registry}', '', '| name | what it is | where |', '|---|---|---|', *rows])
