"""Scripts of UAVM, and the table of results."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avmm.utils import DataError
from projects.uavm.tools import recipe_table
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


#: Stands for the interpreter: notes the tool, makes what the real one would, fails where the test says so.
FAKE = """#!/usr/bin/env bash
name=$(basename "$1"); [[ $name == train.py || $name == test.py ]] && name=$name:$(basename "$2")
echo "$name" >> "$LOG"
if [[ $name == "${FAIL:-}" ]]; then echo 'error: out of luck' >&2; exit 2; fi
out=
while [[ $# -gt 0 ]]; do
  case $1 in --work-dir|--out|--out-dir) out=$2; shift ;; *.h5) mkdir -p "$(dirname "$1")"; touch "$1" ;; esac
  shift
done
case $name in
  train.py:*) mkdir -p "$out"; touch "$out"/{last_checkpoint,best_1.pth,weight_average.pth} ;;
  test.py:*) touch "$out" ;;
  av_digits_clips.py) mkdir -p "$out"; touch "$out/labels.csv" ;;
  performance.py) mkdir -p "$out"; touch "$out/figure_2_shared_depth.png" ;;
  modality_probe.py) touch "$out/figure_3d.png" ;;
  retrieval.py) touch "$out/figure_4.png" ;;
  attention_maps.py) touch "$out/figure_5_difference.png" ;;
esac
exit 0
"""
STEPS = [
    'av_digits_clips.py', 'train.py:audio_extractor.py', 'test.py:audio_extractor.py', 'train.py:visual_extractor.py',
    'test.py:visual_extractor.py', 'extract.py', 'train.py:uavm.py', 'test.py:uavm.py', 'train.py:independent.py',
    'test.py:independent.py', 'train.py:cross_modality.py', 'test.py:cross_modality.py', 'performance.py',
    'modality_probe.py', 'retrieval.py', 'attention_maps.py', 'recipe_table.py'
]


@pytest.fixture
def recipe(tmp_path):
    """``run(**env) -> (process, tools that were started)``, on an interpreter that pretends."""
    fake, log = tmp_path / 'python', tmp_path / 'log'
    fake.write_text(FAKE)
    fake.chmod(0o755)

    def run(*args: str, **env: str):
        log.write_text('')
        done = subprocess.run(
            ['bash', str(TOOLS / 'one_click_recipe.sh'), '--work-dir', str(tmp_path / 'work'), *args], text=True,
            capture_output=True,
            env=dict(os.environ, PYTHON=str(fake), LOG=str(log), AVMM_DATA=str(tmp_path / 'data'), **env))
        return done, log.read_text().split()

    return run


def test_the_recipe_goes_on_where_it_was_stopped(recipe, tmp_path):
    broken, started = recipe(FAIL='train.py:independent.py')
    assert broken.returncode == 2 and started == STEPS[:9]
    assert broken.stderr.splitlines() == [
        'error: out of luck',
        "error: the step 'train independent' ended with status 2; the same command goes on from here"]
    whole, started = recipe('--skip-download')
    assert whole.returncode == 0 and started == STEPS[8:]
    assert '== [8/17] test uavm: done before' in whole.stdout and '== [17/17] results' in whole.stdout
    assert recipe()[1] == STEPS[-1:], 'only the table is printed again'


def test_the_recipe_does_again_what_follows_a_change(recipe, tmp_path):
    recipe()
    (tmp_path / 'data/av_digits/uavm/features.h5').touch()
    kept = tmp_path / 'work/uavm/old.pth'
    kept.touch()
    assert recipe()[1] == STEPS[5:], 'another run has made these features'
    assert not kept.exists(), 'a training on new features does not go on with old weights'
    (tmp_path / 'work/figures/figure_4.png').unlink()
    assert recipe('--dry-run')[1] == []
    assert recipe()[1] == STEPS[-3:]


def test_the_recipe_names_tools_and_configs_that_are_there(tmp_path):
    default = script('one_click_recipe.sh', '--dry-run', '--work-dir', str(tmp_path)).stdout
    commands = [line.split() for line in default.splitlines() if not line.startswith('==')]
    assert len(commands) == len(STEPS) + 1
    assert all((REPO / word).is_file() for command in commands[:-1] for word in command
               if word.endswith('.py') and not Path(word).is_absolute())
    published = script('one_click_recipe.sh', '--vggsound', '--skip-download', '--dry-run', '--work-dir',
                       str(tmp_path)).stdout
    assert 'curl' not in published and 'make_weights.py' in published and '--norms' in published
    lost = subprocess.run(['bash', str(TOOLS / 'one_click_recipe.sh')], capture_output=True, text=True,
                          env=dict(os.environ, PYTHON='no-such-python'))
    assert lost.returncode == 2 and len(lost.stderr.splitlines()) == 1 and 'no-such-python' in lost.stderr


def test_the_table_of_the_recipe_has_each_modality(tmp_path, capsys):
    labels = np.array([0, 1, 1, 1])
    scores = {name: np.eye(2)[guess] for name, guess in (
        ('score_audio', [0, 0, 1, 1]), ('score_visual', [1, 0, 0, 1]), ('pred_score', [0, 1, 1, 1]))}
    for name, kept in (('uavm', scores), ('cross_modality', dict(pred_score=scores['pred_score'])),
                       ('ears', dict(pred_score=scores['score_audio']))):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / 'test.npz', gt_label=labels, **kept)
    recipe_table.main([str(tmp_path / 'uavm'), str(tmp_path / 'cross_modality'), '--audio', str(tmp_path / 'ears'),
                       '--out', str(tmp_path / 'out/results.md')])
    printed = capsys.readouterr().out
    assert printed == (tmp_path / 'out/results.md').read_text()
    assert printed.splitlines()[2:] == [
        '| ears | 75.0 |  |  |', '| uavm | 75.0 | 25.0 | 100.0 |', '| cross modality |  |  | 100.0 |', '',
        '4 test clips; always naming the commonest class is right for 75.0 %.']
    with pytest.raises(DataError, match=r'nothing.test\.npz: cannot be read'):
        recipe_table.main([str(tmp_path / 'nothing')])


@pytest.mark.slow
def test_the_recipe_learns(tmp_path):
    whole = script('one_click_recipe.sh', '--work-dir', str(tmp_path / 'work'), AVMM_DATA=str(tmp_path / 'data'))
    assert whole.returncode == 0, whole.stderr[-2000:]
    rows = [[cell.strip() for cell in line.split('|')[1:-1]]
            for line in (tmp_path / 'work/results.md').read_text().splitlines() if line.startswith('|')]
    found = {row[0]: row[1:] for row in rows[2:]}
    assert list(found) == ['audio extractor', 'visual extractor', 'uavm', 'independent', 'cross modality']
    for model in ('uavm', 'independent'):
        audio, video, both = map(float, found[model])
        assert min(audio, video) > 50 and both > max(audio, video)
    assert float(found['cross modality'][2]) > 80
    assert {p.name for p in (tmp_path / 'work/figures').glob('figure_*.png')} >= {
        'figure_2_shared_depth.png', 'figure_3.png', 'figure_3d.png', 'figure_4.png', 'figure_5_difference.png'}


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
