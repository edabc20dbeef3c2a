from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from avmm.testing import run_warm

REPO = Path(__file__).resolve().parents[2]
TOOL = 'analysis_tools/benchmark.py'
QUICK = ('--iters', 1, '--repeats', 2, '--warm-up', 0)


AVE_CONFIG = """
_base_ = ['{base}/datasets/ave_supervised.py', '{models}/cmran_supv.py', '{base}/default_runtime.py']
loader = dict(num_workers=0, persistent_workers=False, pin_memory=False, dataset=dict(data_root='{root}'))
train_dataloader = val_dataloader = test_dataloader = loader
optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-4))
train_cfg = dict(type='EpochTrainLoop', max_epochs=1)
val_cfg = test_cfg = dict()
select_on = 'test'
"""
PLAIN_CMRAN = REPO / 'benchmarks/ave_cmran.py'


@pytest.fixture(scope='module')
def ave(tmp_path_factory):
    """A config of CMRAN on 28 videos of one cell, three of them for testing, 22 for training."""
    folder = tmp_path_factory.mktemp('ave')
    run_warm([REPO / 'tools/dataset_converters/ave_synthetic.py', '--out', folder / 'set', '--videos', 28,
              '--grid', 1]).check_returncode()
    (folder / 'ave.py').write_text(AVE_CONFIG.format(
        base=REPO / 'configs/_base_', models=REPO / 'projects/cmran/configs/_base_/models', root=folder / 'set'))
    return folder / 'ave.py'


def figures_of(path):
    return json.loads(path.read_text())['figures']


def test_data_step_and_both_of_two_configs(run_tool, toy, tmp_path):
    out, other = tmp_path / 'b.json', tmp_path / 'other.py'
    other.write_text(toy[0].read_text())
    result = run_tool(TOOL, toy[0], '--compare', other, *QUICK, '--out', out)
    assert result.status == 0, result.err
    figures = figures_of(out)
    assert set(figures) == {'data', 'step', 'both'}
    for what in figures.values():
        assert set(what) == {'toy', 'other'}
        assert what['toy']['ratio'] == 1 and what['other']['ratio'] > 0
        assert len(what['toy']['repeats_ms']) == 2
    assert 0 < figures['both']['toy']['waiting'] < 1
    assert 'waiting for data' in result.out


def test_loop_balance_and_history(run_tool, toy, tmp_path):
    out = tmp_path / 'b.json'
    result = run_tool(TOOL, toy[0], '--what', 'loop', 'balance', 'history', '--lengths', 10, 2000, *QUICK,
                      '--clock', 'cpu', '--workers', 0, '--out', out)
    assert result.status == 0, result.err
    figures = figures_of(out)
    assert set(figures['loop']) == {'bare loop', 'our loop'}
    assert set(figures['balance']) == {'Normal', 'OGM', 'OGMGE', 'noise alone'}
    assert figures['balance']['OGMGE']['hook_ms_per_step'] > 0
    assert set(figures['history']) == {f'{who} at {n} iterations' for who in ('ours', 'mmengine') for n in (10, 2000)}


def test_data_against_the_plain_reference(run_tool, clips, tmp_path):
    out = tmp_path / 'b.json'
    result = run_tool(TOOL, clips, '--what', 'data', '--compare', REPO / 'benchmarks/data_pipeline.py', *QUICK,
                      '--workers', 1, '--clock', 'cpu', '--out', out)
    assert result.status == 0, result.err
    assert set(figures_of(out)['data']) == {'clips', 'data_pipeline'}


def test_the_plain_reference_does_the_same_work(clips, monkeypatch):
    """The spectrogram agrees up to the resampler, the shapes and the frames agree."""
    import torch

    from avmm.utils.config import load_config
    from avmm.utils.tooling import build_dataset
    monkeypatch.setattr(sys, 'path', [str(REPO), *sys.path])
    from benchmarks.data_pipeline import PlainClips
    from benchmarks.pipeline import plain_task
    dataset = build_dataset(load_config(clips), 'train')
    tasks, options = plain_task(dataset)
    audio, visual, label = PlainClips(tasks, **options)[1]
    item = dataset[1]
    assert audio.shape == item['inputs']['audio'].shape and visual.shape == item['inputs']['visual'].shape
    assert label == item['data_samples'].gt_label == 1
    # Above 8 kHz the file holds nothing, and the two resamplers leave different traces of it.
    low = torch.stack([x[:, :170].flatten() for x in (audio, item['inputs']['audio'])])
    assert torch.corrcoef(low)[0, 1] > 0.99


def test_data_against_the_plain_cmran(run_tool, ave, tmp_path):
    out = tmp_path / 'b.json'
    result = run_tool(TOOL, ave, '--what', 'data', '--compare', PLAIN_CMRAN, *QUICK, '--out', out)
    assert result.status == 0, result.err
    assert set(figures_of(out)['data']) == {'ave', 'ave_cmran'}


@pytest.mark.slow
def test_steps_epochs_and_memory_against_the_plain_cmran(run_tool, ave, tmp_path):
    out = tmp_path / 'b.json'
    result = run_tool(TOOL, ave, '--what', 'step', 'epoch', 'memory', '--compare', PLAIN_CMRAN, *QUICK,
                      '--reference-options', 'dtype=float32', '--out', out)
    assert result.status == 0, result.err
    figures = figures_of(out)
    for what in ('step', 'epoch'):
        assert set(figures[what]) == {'ave', 'ave_cmran'} and len(figures[what]['ave']['repeats_ms']) == 2
        assert figures[what]['ave_cmran']['ratio'] > 0
    assert set(figures['memory']) == {str(ave), str(PLAIN_CMRAN)}
    for memory in figures['memory'].values():
        assert 1e8 < memory['start']['rss'] < memory['peak']['rss'] < 1e10
        assert memory['peak']['anonymous'] < memory['peak']['rss']


@pytest.mark.slow
def test_accuracies_of_a_config_and_of_the_plain_cmran(run_tool, ave, tmp_path):
    out = tmp_path / 'a.json'
    result = run_tool('../benchmarks/ave_accuracy.py', ave, '--seeds', 0, 3, '--epochs', 1, '--out', out)
    assert result.status == 0, result.err
    runs = json.loads(out.read_text())['accuracies']
    assert set(runs) == {'ours', 'plain'} and [len(curve) for curve in runs['ours'] + runs['plain']] == [1] * 4
    assert all(0 <= curve[0] <= 100 for curves in runs.values() for curve in curves)
    assert 'plain, epoch 1:' in result.out and 'over seeds [0, 3]' in result.out


def test_accuracies_need_epochs(run_tool, ave, tmp_path):
    config = tmp_path / 'iterations.py'
    config.write_text(ave.read_text().replace("type='EpochTrainLoop', max_epochs", "type='IterTrainLoop', max_iters"))
    result = run_tool('../benchmarks/ave_accuracy.py', config)
    assert result.status == 2 and 'must train by epochs' in result.err and result.err.count('\n') == 1


def test_iterations_are_no_epochs(run_tool, ave, tmp_path):
    config = tmp_path / 'iterations.py'
    config.write_text(ave.read_text().replace("type='EpochTrainLoop', max_epochs", "type='IterTrainLoop', max_iters"))
    result = run_tool(TOOL, config, '--what', 'epoch', *QUICK)
    assert result.status == 2 and 'the config must train by epochs' in result.err and result.err.count('\n') == 1


@pytest.mark.slow
def test_both_sides_must_read_as_much(run_tool, ave):
    result = run_tool(TOOL, ave, '--what', 'epoch', '--compare', PLAIN_CMRAN, *QUICK, '--cfg-options',
                      'train_dataloader.drop_last=True', 'train_dataloader.batch_size=16')
    assert result.status == 2 and result.err.strip().count('\n') == 0
    assert 'the config reads 19 samples an epoch, ave_cmran 25' in result.err


@pytest.mark.parametrize(('args', 'message'), [
    (['--repeats', '0'], '--repeats 0: must be at least 1'),
    (['--what', 'step', '--compare', '{repo}/benchmarks/data_pipeline.py'], 'a plain reference is for --what data'),
    (['--what', 'data', '--compare', '{repo}/benchmarks/timing.py'], 'has no build_loader(clips, batch_size,'),
    (['--what', 'both', '--compare', '{repo}/benchmarks/ave_cmran.py'], 'is for --what data step epoch'),
    (['--what', 'data', '--reference-options', 'dtype'], '--reference-options dtype: must be KEY=VALUE'),
    (['--what', 'data', '--compare', 'nowhere.py'], 'nowhere.py: no such config file'),
    (['--what', 'step', '--cfg-options', 'optim_wrapper='], 'the config has no optim_wrapper'),
])
def test_errors_are_one_line(run_tool, toy, args, message):
    result = run_tool(TOOL, toy[0], *[arg.format(repo=REPO) for arg in args])
    assert result.status == 2
    assert message in result.err and result.err.count('\n') == 1


def test_clips_are_made_once_and_never_over_something(tmp_path):
    command = [REPO / 'benchmarks/make_clips.py', '--clips', 2, '--out', tmp_path / 'c']
    assert run_warm(command).returncode == 0
    assert (tmp_path / 'c' / 'clips.csv').read_text() == '00000,0\n00001,1\n'
    assert (tmp_path / 'c' / 'frames' / '00001.jpg').is_file()
    again = run_warm(command)
    assert again.returncode == 2 and again.stderr.count('\n') == 1
