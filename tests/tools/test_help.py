"""Every command under tools/ explains itself."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from avmm.testing import run_warm

REPO = Path(__file__).resolve().parents[2]
TOOLS = sorted(p.relative_to(REPO).as_posix()
               for p in [*(REPO / 'tools').rglob('*.py'), *REPO.glob('projects/*/tools/**/*.py')]
               if "__name__ == '__main__'" in p.read_text(encoding='utf-8'))
SCRIPTS = sorted(p.relative_to(REPO).as_posix() for p in (REPO / 'tools').rglob('*.sh'))
# One that needs no torch to explain itself, and one that imports it.
FROM_COLD = ['tools/train.py', 'tools/dataset_converters/cremad.py']


def test_tools_are_found():
    assert 'tools/train.py' in TOOLS and 'tools/test.py' in TOOLS


def check_help(tool: str, done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('usage:')
    examples = done.stdout.partition('Examples:')[2]
    assert Path(tool).name in examples, f'{tool} --help shows no example that names it'
    assert 'Warning' not in done.stderr, done.stderr


# From another folder, so that a tool that only runs in the root of the repository is found out.
@pytest.mark.parametrize('tool', TOOLS)
def test_help(tool, tmp_path):
    check_help(tool, run_warm([REPO / tool, '--help'], cwd=tmp_path, env=dict(os.environ, COLUMNS='100')))


@pytest.mark.parametrize('tool', FROM_COLD)
def test_help_of_a_new_interpreter(tool, tmp_path):
    check_help(tool, subprocess.run([sys.executable, str(REPO / tool), '--help'], cwd=tmp_path, capture_output=True,
                                    text=True, env=dict(os.environ, COLUMNS='100')))


@pytest.mark.parametrize('script', SCRIPTS)
def test_shell_scripts_parse_and_explain_themselves(script, tmp_path):
    subprocess.run(['bash', '-n', str(REPO / script)], check=True)
    helped = subprocess.run(['bash', str(REPO / script), '--help'], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0 and Path(script).name in helped.stdout
    bare = subprocess.run(['bash', str(REPO / script)], cwd=tmp_path, capture_output=True, text=True)
    assert bare.returncode == 2
