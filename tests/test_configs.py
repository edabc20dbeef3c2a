"""Every config of the repository parses, and every name and argument in it exists."""
from __future__ import annotations

from pathlib import Path

import pytest

from avmm.utils.config import load_config
from avmm.utils.config_check import find_errors

REPO = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p.relative_to(REPO).as_posix()
                 for p in [*(REPO / 'configs').rglob('*.py'), *REPO.glob('projects/*/configs/**/*.py')]
                 if '_base_' not in p.parts)


def test_configs_are_found():
    assert 'configs/quickstart/av_digits.py' in CONFIGS
    assert any(name.startswith('projects/example_project/') for name in CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name):
    assert list(find_errors(load_config(REPO / name))) == []


@pytest.mark.parametrize('name', CONFIGS)
def test_config_opens_with_what_it_is(name):
    first = (REPO / name).read_text(encoding='utf-8').splitlines()[0]
    assert first.startswith(('#', '"""')), f'{name} should open with what it reproduces and how to start it'
