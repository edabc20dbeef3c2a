"""Scripts of projects that start one recipe."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in REPO.glob('projects/*/tools/*.sh') if '/../recipe.sh' in path.read_text())


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(['bash', str(script), *arguments], capture_output=True, text=True,
                          env=dict(PYTHON=sys.executable, PATH='/usr/bin:/bin'))


def test_each_recipe_of_a_project_has_one_to_train_and_one_to_test():
    names = [f'{path.parents[1].name}/{path.stem}' for path in SCRIPTS]
    assert {'cmran/supv_train', 'cmran/weakly_train', 'dmin/dimn_supv_train', 'dmin/dcmr_v2a_train'} <= set(names)
    assert [n for n in names if n.endswith('_train') and n.replace('_train', '_test') not in names] == []


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: f'{path.parents[1].name}/{path.name}')
def test_script_prints_its_command_and_its_help(script):
    program, tool, config, rest = run(script, '--dry-run', 'best.pth').stdout.split()
    assert (program, rest) == (sys.executable, 'best.pth')
    assert Path(tool).name == f'{script.stem.rsplit("_", 1)[1]}.py' and Path(tool).is_file()
    assert Path(config).is_file()
    usage = run(script, '--help')
    assert usage.returncode == 0 and f'{script.name} [--dry-run]' in usage.stdout and 'set -euo' not in usage.stdout


def test_a_test_without_a_checkpoint_says_what_it_takes():
    script = next(path for path in SCRIPTS if path.stem.endswith('_test'))
    bare = run(script)
    assert bare.returncode == 2 and 'CHECKPOINT' in bare.stdout
