"""Scripts of UAVM, and the table of results."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avmm.utils import DataError
from projects.uavm.tools.result_table import row_of

REPO = Path(__file__).resolve().parents[3]
TOOLS = REPO / 'projects/uavm/tools'


def script(name: str, *args: str, **env: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if k not in ('AVMM_DATA', 'UAVM_FEATURES_URL')}
    return subprocess.run(['bash', str(TOOLS / name), *args], capture_output=True, text=True,
                          env=dict(clean, PYTHON=sys.executable, **env))


def test_a_sweep_trains_three_repeats():
    lines = script('sweep.sh', '--dry-run', 'uavm_s128', '--amp').stdout.splitlines()
    assert len(lines) == 3 and lines[2].endswith('uavm_s128_r3 --seed 2 --amp')
    assert len(script('sweep.sh', '--dry-run', 'uavm_ns0', REPEATS='1').stdout.splitlines()) == 1
    wrong = script('sweep.sh', 'uavm_s7')
    assert wrong.returncode == 2 and "no setting 'uavm_s7'" in wrong.stderr
    assert script('sweep.sh', '--help').returncode == 0 and script('sweep.sh').returncode == 2


def test_the_recipe_prints_all_of_its_steps(tmp_path):
    default = script('one_click_recipe.sh', '--dry-run', '--work-dir', str(tmp_path)).stdout
    for part in ('av_digits_clips.py', 'audio_extractor.py', 'extract.py', 'av_digits/uavm.py', 'modality_probe.py',
                 'retrieval.py', 'attention_maps.py', 'result_table.py'):
        assert part in default
    commands = [line.split() for line in default.splitlines() if not line.startswith('==')]
    assert all((REPO / command[1]).is_file() for command in commands)
    published = script('one_click_recipe.sh', '--vggsound', '--skip-download', '--dry-run', '--work-dir',
                       str(tmp_path)).stdout
    assert 'curl' not in published and 'make_weights.py' in published and '--norms' in published


def test_a_download_needs_an_address():
    lost = script('one_click_recipe.sh', '--vggsound', '--dry-run')
    assert lost.returncode == 2 and 'UAVM_FEATURES_URL is not set' in lost.stderr
    given = script('one_click_recipe.sh', '--vggsound', '--dry-run', UAVM_FEATURES_URL='https://example.org/uavm')
    assert 'https://example.org/uavm/vgg_feat/audio_feat_convnext_2.zip' in given.stdout
    assert script('one_click_recipe.sh', '--wrong').returncode == 2


def test_a_table_has_the_last_epoch_and_the_best(tmp_path):
    rows = np.zeros((3, 10))
    rows[0, [0, 3, 6]], rows[1, [0, 3, 6]] = (0.5, 0.4, 0.7), (0.6, 0.3, 0.65)
    np.savetxt(tmp_path / 'result.csv', rows, delimiter=',')
    assert row_of(tmp_path, 'acc') == (f'| {tmp_path.name} | 2 | 60.00 | 30.00 | 65.00 | 50.00 | 40.00 | 70.00 | 1 |')
    np.savetxt(tmp_path / 'result.csv', rows[2:], delimiter=',')
    with pytest.raises(DataError, match='0 epochs in 10 columns'):
        row_of(tmp_path, 'acc')
    with pytest.raises(DataError, match='cannot be read'):
        row_of(tmp_path / 'nothing', 'acc')
