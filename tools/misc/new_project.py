"""Write a new project that passes its own tests at once: a copy of the example project under another name."""
from __future__ import annotations

import argparse
import keyword
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from avmm.utils import ConfigError  # noqa: E402
from avmm.utils.cli import run_cli  # noqa: E402

SOURCE = REPO / 'projects' / 'example_project'
EXAMPLES = """Examples:
  python tools/misc/new_project.py my_method
  python tools/misc/new_project.py my_method --dest ~/experiments
"""
README = """# {name}

One paragraph: the idea, the paper, what was reproduced.

## Data

Where they come from, and how they are laid out under `data/`.

## Use

```bash
cd {start}
python {train} {configs}/{name}_smoke.py
python {train} {configs}/{name}_av_digits.py
python -m pytest {tests}
```

## Results

| config | metric | published | measured |
|---|---|---|---|
| `{name}_av_digits.py` | joint accuracy | - | - |

## Citation

The BibTeX entry of the paper.
"""
PYPROJECT = """[build-system]
requires = ['setuptools>=68,<82']
build-backend = 'setuptools.build_meta'

[project]
name = '{name}'
version = '0.1.0'
requires-python = '>=3.10,<3.13'
dependencies = ['avmm']

[tool.setuptools]
packages = ['{name}']

[tool.pytest.ini_options]
testpaths = ['tests']
pythonpath = ['.']
addopts = '--import-mode=importlib'
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', help='name of the project and of its package: lower case letters, digits, underscores')
    parser.add_argument('--dest', metavar='FOLDER',
                        help='write a package of its own into FOLDER, instead of a project of this repository')
    return parser.parse_args(argv)


def check_name(name: str) -> str:
    """``name``, if Python can import it and nothing else is called that.

    Raises:
        ConfigError: If it cannot be the name of a project.
    """
    if not re.fullmatch(r'[a-z][a-z0-9_]*', name) or keyword.iskeyword(name):
        raise ConfigError(f'{name!r} cannot be the name of a package; use lower case letters, digits and underscores, '
                          'a letter first, as in my_method')
    if name in sys.stdlib_module_names or name in ('avmm', 'projects', 'tests', 'configs', 'tools'):
        raise ConfigError(f'{name!r} is the name of a package that exists; choose another')
    return name


def write_project(name: str, dest: Path | None = None) -> Path:
    """Write the project and return its folder.

    Args:
        name: Name of the project.
        dest: Where to write a package of its own; None for a project of this repository.

    Raises:
        ConfigError: If ``name`` cannot be used, or the folder exists.
    """
    check_name(name)
    parent = (dest or REPO / 'projects').expanduser().resolve()
    folder = parent / name
    if folder.exists():
        raise ConfigError(f'{folder} exists already; choose another name, or remove it first')
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f'.{name}.') as scratch:
        draft = Path(scratch) / name
        shutil.copytree(SOURCE, draft, ignore=shutil.ignore_patterns('__pycache__', 'README.md'))
        rename(draft, replacements(name, folder, inside=dest is None))
        (draft / 'README.md').write_text(readme(name, folder, inside=dest is None), encoding='utf-8')
        if dest is not None:
            (draft / 'pyproject.toml').write_text(PYPROJECT.format(name=name), encoding='utf-8')
        draft.rename(folder)
    return folder


def replacements(name: str, folder: Path, inside: bool) -> list[tuple[str, str]]:
    """What becomes of the names of the example, in order."""
    camel = ''.join(part.capitalize() for part in name.split('_'))
    package = f'projects.{name}.{name}' if inside else name
    pairs = [('projects.example_project.example_project', package)]
    if not inside:
        pairs += [('../../../configs', os.path.relpath(REPO / 'configs', folder / 'configs').replace(os.sep, '/')),
                  ('projects/example_project/', '')]
    return [*pairs, ('example_project', name), ('ExampleProject', camel)]


def rename(folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Apply ``pairs`` to every file of ``folder`` and to every path below it, the deepest first."""
    for path in sorted(folder.rglob('*'), key=lambda p: len(p.parts), reverse=True):
        if path.is_file():
            text = path.read_text(encoding='utf-8')
            for old, new in pairs:
                text = text.replace(old, new)
            path.write_text(text, encoding='utf-8')
        path.rename(path.with_name(path.name.replace('example_project', folder.name)))


def readme(name: str, folder: Path, inside: bool) -> str:
    """The README of a project, for its author to fill in."""
    if inside:
        return README.format(name=name, start='.', train='tools/train.py', configs=f'projects/{name}/configs',
                             tests=f'projects/{name}')
    return README.format(name=name, start=folder, train=REPO / 'tools' / 'train.py', configs='configs', tests='tests')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    folder = write_project(args.name, Path(args.dest) if args.dest else None)
    start, tests = (REPO, f'projects/{args.name}') if args.dest is None else (folder, 'tests')
    print(f'wrote {folder}\nits tests: cd {start} && python -m pytest {tests}')


if __name__ == '__main__':
    run_cli(main)
