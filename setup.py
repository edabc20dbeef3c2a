"""Package metadata; every requirement is written once, under ``requirements/``."""
from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def read_requirements(name: str) -> list[str]:
    """Requirements of ``requirements/<name>.txt``, without comments."""
    lines = (HERE / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith('#')]


def read_extras() -> dict[str, list[str]]:
    """The sections ``# [extra]`` of ``requirements/optional.txt``."""
    extras: dict[str, list[str]] = {}
    section: list[str] = []
    for line in (HERE / 'requirements' / 'optional.txt').read_text(encoding='utf-8').splitlines():
        header = re.match(r'#\s*\[(\w+)\]', line)
        if header:
            section = extras.setdefault(header.group(1), [])
        elif line.strip() and not line.startswith('#'):
            section.append(line.strip())
    return extras


def read_version() -> str:
    """The version, read without importing the package."""
    text = (HERE / 'avmm' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '([^']+)'", text).group(1)


def read_description() -> str:
    """The README, or nothing in an unpacked source tree without one."""
    readme = HERE / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.is_file() else ''


if __name__ == '__main__':
    extras = read_extras()
    extras['all'] = sorted({requirement for requirements in extras.values() for requirement in requirements})
    extras['tests'] = read_requirements('tests')
    extras['docs'] = read_requirements('docs')
    setup(
        name='avmm',
        version=read_version(),
        description='A toolbox for audio-visual learning on top of mmengine',
        long_description=read_description(),
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        license_files=['LICENSE', 'NOTICE'],
        packages=find_packages(include=['avmm', 'avmm.*']),
        package_data={'avmm': ['py.typed']},
        python_requires='>=3.10,<3.13',
        install_requires=read_requirements('runtime'),
        extras_require=extras,
        classifiers=[
            'Intended Audience :: Science/Research',
            'Programming Language :: Python :: 3.10',
            'Programming Language :: Python :: 3.11',
            'Programming Language :: Python :: 3.12',
            'Topic :: Scientific/Engineering :: Artificial Intelligence',
            'Typing :: Typed',
        ],
        zip_safe=False,
    )
