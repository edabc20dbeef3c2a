"""The table of all methods: its configs, its rows, and that finished runs are not run again."""
from __future__ import annotations

import json

import pytest

from avmm.utils import ConfigError, DataError
from avmm.utils.config import load_config
from projects.tcaf.tools import synthetic_table as tool

TYPES = dict(tcaf='TCAF', perceiver='TemporalPerceiver', attention_fusion='TemporalAttentionFusion', avca='AVCA',
             avgzslnet='AVGZSLNet', cjme='CJME', ale='BilinearCompatibility', devise='BilinearCompatibility',
             sje='BilinearCompatibility', apn='APN', fvaegan='FVAEGAN')
MEANS = dict(seen=90.0, unseen=80.0, hm=84.7, zsl=85.0)


@pytest.fixture
def runs(monkeypatch):
    """Runs that take no time: ``S`` is 10 times the seed. Returns those that were started."""
    started = []

    def train(args, method, seed, folder):
        started.append((method, seed))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'options.json').write_text(json.dumps(args.cfg_options))
        (folder / 'zero_shot.json').write_text(json.dumps(dict(test={
            'gzsl/seen': 10.0 * seed, 'gzsl/unseen': 20.0, 'gzsl/hm': 30.0, 'gzsl/zsl': 40.0})))

    monkeypatch.setattr(tool, 'train', train)
    monkeypatch.setattr(tool, 'class_means', lambda config: MEANS)
    return started


def test_every_method_has_a_config_on_the_same_clips():
    for method in tool.NAMES:
        cfg = load_config(f'projects/tcaf/configs/{method}_synthetic.py')
        data = cfg.train_dataloader.dataset
        assert cfg.model.type == TYPES[method] and data.data_root == 'data/ucf_gzsl_synthetic'
        assert data.word_order == 'by_class' and cfg.train_cfg.max_epochs == (15 if method == 'fvaegan' else 5)
        assert (cfg.train_dataloader.sampler.num_batches, cfg.train_dataloader.batch_size) == (20, 64)
        assert [cfg[f'{s}_dataloader'].dataset.features for s in ('val', 'test')] == [data.features] * 2
        if TYPES[method] == 'BilinearCompatibility':
            assert cfg.model.ranking == method


def test_seeds_become_means_and_finished_runs_are_not_started_again(runs, tmp_path, capsys):
    command = ['--out-dir', str(tmp_path), '--methods', 'ale', 'sje', '--seeds', '1', '2']
    tool.main(command[:-1])
    assert '| ALE | 10.0 | 20.0 | 30.0 | 40.0 | 1 |' in capsys.readouterr().out
    tool.main(command)
    assert runs == [('ale', 1), ('sje', 1), ('ale', 2), ('sje', 2)]
    tool.main([*command, '--table-only'])
    assert len(runs) == 4
    text = (tmp_path / 'table.md').read_text()
    assert '| ALE | 15.0 ± 7.1 | 20.0 ± 0.0 | 30.0 ± 0.0 | 40.0 ± 0.0 | 2 |' in text
    assert text.splitlines()[-1] == f'| {tool.MEANS} | 90.0 | 80.0 | 84.7 | 85.0 | |'
    assert json.loads((tmp_path / 'table.json').read_text())['runs']['sje']['2']['seen'] == 20.0


def test_runs_with_other_settings_are_not_mixed(runs, tmp_path):
    command = ['--out-dir', str(tmp_path), '--methods', 'ale', '--seeds', '0']
    tool.main(command)
    with pytest.raises(DataError, match='holds a run with other --cfg-options'):
        tool.main([*command, '--cfg-options', 'train_cfg.max_epochs=1'])
    with pytest.raises(DataError, match='no run is finished, so there is no table'):
        tool.main(['--out-dir', str(tmp_path / 'new'), '--table-only'])
    with pytest.raises(ConfigError, match='one is named twice'):
        tool.main([*command, '0'])


def test_a_run_that_fails_says_why(tmp_path):
    (tmp_path / 'ale_synthetic.py').write_text('model = 3 +\n')
    with pytest.raises(DataError, match='ale, seed 0: the run failed: .*output.txt'):
        tool.main(['--out-dir', str(tmp_path / 'out'), '--configs', str(tmp_path), '--methods', 'ale', '--seeds', '0'])
