"""Every command under tools/ explains itself."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TOOLS = sorted(p.relative_to(REPO).as_posix()
               for p in [*(REPO / 'tools').rglob('*.py'), *REPO.glob('projects/*/tools/**/*.py')]
               if "__name__ == '__main__'" in p.read_text(encoding='utf-8'))
SCRIPTS = sorted(p.relative_to(REPO).as_posix() for p in (REPO / 'tools').rglob('*.sh'))


def test_tools_are_found():
    assert 'tools/train.py' in TOOLS and 'tools/test.py' in TOOLS


@pytest.mark.parametrize('tool', TOOLS)
def test_help(tool, tmp_path):
    # From another folder, so that a tool that only runs in the root of the repository is found out.
    done = subprocess.run([sys.executable, str(REPO / tool), '--help'], cwd=tmp_path, capture_output=True, text=True,
                          env=dict(os.environ, COLUMNS='100'))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('usage:')
    examples = done.stdout.partition('Examples:')[2]
    assert Path(tool).name in examples, f'{tool} --help shows no example that names it'
    assert 'Warning' not in done.stderr, done.stderr


@pytest.mark.parametrize('script', SCRIPTS)
def test_shell_scripts_parse_and_explain_themselves(script, tmp_path):
    subprocess.run(['bash', '-n', str(REPO / script)], check=True)
    helped = subprocess.run(['bash', str(REPO / script), '--help'], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0 and Path(script).name in helped.stdout
    bare = subprocess.run(['bash', str(REPO / script)], cwd=tmp_path, capture_output=True, text=True)
    assert bare.returncode == 2
