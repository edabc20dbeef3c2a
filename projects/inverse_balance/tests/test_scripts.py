"""The scripts that train the tables."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / 'tools'
CONFIGS = Path(__file__).parents[1] / 'configs'


def run(script, *args, **kwargs):
    return subprocess.run(['bash', str(TOOLS / f'{script}.sh'), *map(str, args)], capture_output=True, text=True,
                          check=False, **kwargs)


@pytest.mark.parametrize(('script', 'count'), [('inverse_ann', 24), ('inverse_snn', 24), ('inverse_aba', 6),
                                               ('inverse_joint', 16)])
def test_a_dry_run_names_recipes_that_exist(script, count, tmp_path):
    lines = run(script, '--dry-run', '--work-dir', tmp_path).stdout.splitlines()
    assert len(lines) == count
    for line in lines:
        config = next(word for word in line.split() if word.endswith('.py') and 'configs' in word)
        assert Path(config).is_file() and f'--work-dir {tmp_path}/{Path(config).stem}' in line
    assert not list(tmp_path.iterdir())


def test_what_is_done_is_skipped_and_what_was_interrupted_goes_on(tmp_path):
    first, second = (f'iemf_ann_ogmge_inverse_gamma{g}_1xb32-100e_kinetics_sounds' for g in ('0p1', '0p5'))
    (tmp_path / first).mkdir()
    (tmp_path / first / 'finished').touch()
    (tmp_path / second).mkdir()
    (tmp_path / second / 'last_checkpoint').touch()
    lines = run('inverse_aba', '--dry-run', '--work-dir', tmp_path).stdout.splitlines()
    assert lines[0] == f'done already: {first}' and lines[1].endswith('--resume') and '--resume' not in lines[2]


def test_commands_get_the_options_and_a_finished_run_is_noted(tmp_path):
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\nmkdir -p "$4"\necho "$@" > "$4/called"\n')
    python.chmod(0o755)
    (tmp_path / 'iemf_ann_ogmge_1xb32-100e_cremad').mkdir()
    for data in ('cremad', 'kinetics_sounds'):
        for inverse in ('', '_inverse'):
            folder = tmp_path / f'iemf_ann_ogmge{inverse}_1xb32-100e_{data}'
            folder.mkdir(exist_ok=True)
            (folder / 'best_accuracy_joint_epoch_7.pth').touch()
    done = run('inverse_joint', '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=2',
               env=dict(PYTHON=str(python), PATH='/usr/bin:/bin'))
    assert done.returncode == 0, done.stderr
    name = 'iemf_ann_audio_finetune-inverse_1xb32-100e_cremad'
    called = (tmp_path / name / 'called').read_text()
    assert f'--cfg-options load_from={tmp_path}/iemf_ann_ogmge_inverse_1xb32-100e_cremad/best_accuracy_joint_epoch_7' \
        in called and called.rstrip().endswith('train_cfg.max_epochs=2')
    assert len(list(tmp_path.glob('*/finished'))) == 16


def test_fine_tuning_says_what_has_to_be_trained_first(tmp_path):
    for config in CONFIGS.glob('*.py'):
        if 'finetune' not in config.stem:
            (tmp_path / config.stem).mkdir()
            (tmp_path / config.stem / 'finished').touch()
    failed = run('inverse_joint', '--work-dir', tmp_path)
    assert failed.returncode == 2
    assert failed.stderr.strip().endswith('train iemf_ann_ogmge_1xb32-100e_kinetics_sounds first')


def test_help_tells_the_options():
    text = run('inverse_aba', '--help').stdout
    assert 'Sweep of gamma' in text and '--dry-run' in text and 'root=' not in text
