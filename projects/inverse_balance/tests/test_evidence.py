"""The evidence: its rows, its tables, and that finished runs are not run again."""
from __future__ import annotations

import csv
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from avmm.utils.config import load_config
from projects.inverse_balance.tools import evidence
from projects.inverse_balance.tools import evidence_tables as tables

AV_DIGITS = Path(__file__).resolve().parents[1] / 'configs' / 'av_digits'


def result(row: str, seed: int, joint: float, audio: float = 50.0) -> dict:
    return dict(row=row, seed=seed, seconds=10.0 + seed, settings='x',
                metrics={'accuracy/audio': audio, 'accuracy/joint': joint, 'accuracy/joint_top5': 99.0, 'loss': 1.0})


def some_results() -> list[dict]:
    rows = {'normal': (80, 82, 81), 'mslr': (80, 83, 80), 'normal_inverse': (85, 87, 85), 'mslr_inverse': (70, 73, 71)}
    return [result(row, seed, joint) for row, values in rows.items() for seed, joint in enumerate(values)]


def test_every_row_has_a_config_with_its_methods_in_order():
    for method in evidence.METHODS:
        for variant in evidence.VARIANTS:
            cfg = load_config(AV_DIGITS / f'{evidence.row_name(method, variant)}.py')
            expected = [dict(normal=None, mslr='MSLRDynamic', ogmge='OGMGE', lfm='LFM')[method],
                        dict(vanilla=None, joint='UnimodalLoss', inverse='InverseEffectiveness')[variant]]
            assert [hook['type'] for hook in cfg.custom_hooks] == [name for name in expected if name]
            assert (cfg.model.heads, cfg.model.unimodal_scores) == (True, 'split')


def test_means_deviations_and_what_they_tell():
    text = tables.markdown(some_results())
    assert '| Normal | 3 | 81.00 ± 1.00 | 50.00 ± 0.00 |' in text
    # Student's t at 97.5 % with two degrees of freedom is 4.3027; the differences 5, 5, 4 have a deviation of 0.577.
    assert '| Normal + inverse − Normal | +4.67 ± 1.43 | +0.00 ± 0.00 | helps |' in text
    assert '| MSLR − Normal | +0.00 ± 2.48 | +0.00 ± 0.00 | does not help: no difference that the seeds can tell |' \
        in text
    assert '| MSLR + inverse − MSLR | -9.67 ± 1.43 | +0.00 ± 0.00 | does not help: it hurts |' in text
    assert 'trained for 11 s on average, 12 s at most' in text
    assert 'top5' not in text


def test_seeds_are_compared_in_pairs_and_one_seed_tells_nothing():
    assert tables.difference({0: 5.0, 1: 9.0}, {1: 7.0, 2: 0.0}) == (2.0, None)
    assert tables.difference({0: 5.0}, {1: 7.0}) is None
    assert tables.verdict((2.0, None)) == 'one seed cannot tell'
    assert ' ± ' not in tables.markdown([result('normal', 0, 80)]).partition('Accuracy on')[0]
    rows = ['normal', 'lfm', 'lfm_joint', 'lfm_inverse']
    assert tables.comparisons(rows) == [('lfm', 'normal'), ('lfm_joint', 'lfm'), ('lfm_inverse', 'lfm'),
                                        ('lfm_inverse', 'lfm_joint')]


def test_files_of_the_tables(tmp_path):
    text, paths = tables.write_tables(tmp_path, some_results())
    assert [path.name for path in paths] == ['evidence.md', 'evidence.csv', 'runs.csv']
    assert paths[0].read_text(encoding='utf-8') == text
    means = {row['row']: row for row in csv.DictReader(paths[1].open())}
    assert (means['normal']['seeds'], float(means['normal']['accuracy/joint_deviation'])) == ('3', 1.0)
    assert len(list(csv.DictReader(paths[2].open()))) == 12


@pytest.fixture
def toy_rows(tmp_path):
    """A folder with toy configs of two rows."""
    from avmm.testing import toy_config
    for row in ('normal', 'normal_inverse'):
        hooks = [dict(type='InverseEffectiveness', params=dict(pattern='^classifier'))]
        cfg = toy_config('unused', train_cfg=dict(max_epochs=1), custom_hooks=hooks if row != 'normal' else [],
                         test_evaluator=dict(type='AVAccuracy'), experiment_name=row)
        (tmp_path / 'rows').mkdir(exist_ok=True)
        text = ''.join(f'{key} = {value!r}\n' for key, value in cfg.to_dict().items())
        (tmp_path / 'rows' / f'{row}.py').write_text(text)
    return tmp_path / 'rows'


@pytest.fixture
def run_evidence(monkeypatch, capsys, tmp_path, toy_rows, forget_runs):
    """Run the tool on the toy rows; the processes that it starts run in this one, and are counted."""
    started = []

    def start(args, argv, row, seed):
        started.append((row, seed))
        evidence.run_folder(args, row, seed).mkdir(parents=True)
        forget_runs()
        evidence.train_one(args, row, seed)

    monkeypatch.setattr(evidence, 'start', start)

    def run(*args) -> SimpleNamespace:
        started.clear()
        evidence.main(['--configs', str(toy_rows), '--out-dir', str(tmp_path / 'out'), '--methods', 'normal', *args])
        return SimpleNamespace(started=list(started), out=capsys.readouterr().out)

    return run


def test_finished_runs_are_skipped_and_more_seeds_are_added(run_evidence, tmp_path):
    first = run_evidence('--seeds', '0')
    assert first.started == [('normal', 0), ('normal_inverse', 0)]
    assert '| Normal + inverse | 1 |' in first.out
    more = run_evidence('--seeds', '0', '1')
    assert more.started == [('normal', 1), ('normal_inverse', 1)] and '2 of 4 runs are finished' in more.out
    kept = json.loads((tmp_path / 'out' / 'normal' / 'seed_1' / 'result.json').read_text())
    assert kept['row'] == 'normal' and set(kept['metrics']) >= {'accuracy/joint', 'accuracy/audio', 'accuracy/visual'}
    assert run_evidence('--seeds', '0', '1', '2', '--table-only').started == []
    with pytest.raises(evidence.DataError, match='seed_0: holds a run with other settings'):
        run_evidence('--seeds', '0', '--cfg-options', 'train_cfg.max_epochs=2')


@pytest.mark.slow
def test_a_run_is_a_process_and_its_failure_one_line(tmp_path, toy_rows, monkeypatch, capsys):
    path = Path(evidence.__file__)
    monkeypatch.setattr(sys, 'argv', [str(path), '--configs', str(toy_rows), '--out-dir', str(tmp_path / 'out'),
                                      '--methods', 'normal', '--variants', 'inverse', '--seeds', '0',
                                      '--cfg-options', 'custom_hooks.0.gamma=-1'])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path), run_name='__main__')
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count('\n') == 1
    assert 'normal_inverse, seed 0: the run failed' in err and 'gamma is -1' in err and 'output.txt' in err


def test_a_run_has_its_threads_and_its_output_is_kept(tmp_path, toy_rows, monkeypatch):
    seen = {}

    def run(command, stdout, stderr, env):
        seen.update(command=command[2:], threads=env['OMP_NUM_THREADS'])
        stdout.write('much\nerror: no space left\n')
        return SimpleNamespace(returncode=2)

    monkeypatch.setattr(evidence.subprocess, 'run', run)
    argv = ['--configs', str(toy_rows), '--out-dir', str(tmp_path / 'out'), '--methods', 'normal', '--threads', '2']
    with pytest.raises(evidence.DataError, match='normal, seed 0: the run failed: error: no space left; all it '):
        evidence.main(argv)
    assert seen == dict(command=[*argv, '--run-one', 'normal', '0'], threads='2')
    assert (tmp_path / 'out' / 'normal' / 'seed_0' / 'output.txt').read_text().startswith('much')


def test_errors_are_one_line(tmp_path):
    with pytest.raises(evidence.DataError, match='no run is finished, so there is no table'):
        evidence.main(['--out-dir', str(tmp_path), '--table-only', '--seeds', '0'])
    with pytest.raises(evidence.ConfigError, match='normal.py: no such config file'):
        evidence.main(['--configs', str(tmp_path), '--out-dir', str(tmp_path)])
    with pytest.raises(evidence.ConfigError, match='--seeds: one is named twice'):
        evidence.main(['--seeds', '1', '1'])
