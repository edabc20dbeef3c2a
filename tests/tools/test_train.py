"""The command lines of tools/train.py and tools/test.py, and of their two-rank scripts."""
from __future__ import annotations

import json
import re
import socket

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def train(run_tool, digits):
    """``train(work_dir, args...)`` trains without complaint and returns the last checkpoint and what was printed."""

    def run(work_dir, *args, config=digits.config):
        result = run_tool('train.py', config, '--work-dir', work_dir, *args)
        assert (result.status, result.err) == (0, ''), result.err
        last = max(work_dir.glob('epoch_*.pth'), key=lambda p: int(p.stem[6:]))
        return torch.load(last, weights_only=True), result.out

    return run


@pytest.fixture
def undo_deterministic():
    """What ``--deterministic`` switches on in the process goes back."""
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def same_weights(one: dict, other: dict) -> bool:
    return all(torch.equal(one['state_dict'][k], other['state_dict'][k]) for k in one['state_dict'])


def test_what_a_run_leaves(train, digits, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    config = digits.config.with_name('full.py')
    config.write_text(digits.config.read_text().replace("'LocalVisBackend'", "'TensorboardVisBackend'").replace(
        'default_hooks = dict(learning_curve=None)', ''))
    train(tmp_path / 'run', '--cfg-options', 'train_cfg.max_epochs=3', 'default_hooks.logger.interval=1',
          config=config)
    assert sorted(p.name for p in (tmp_path / 'run').glob('epoch_*')) == [f'epoch_{i}.pth' for i in (1, 2, 3)]
    with Image.open(tmp_path / 'run' / 'learning_curves.png') as picture:
        assert picture.width > picture.height > 300
        assert len(set(picture.convert('L').tobytes())) > 20
    points = json.loads((tmp_path / 'run' / 'learning_curves.json').read_text())['points']
    assert [p['epoch'] for p in points] == [1, 2, 3]
    events = EventAccumulator(str(next((tmp_path / 'run').glob('*/vis_data'))))
    events.Reload()
    assert {'loss', 'lr', 'accuracy/joint', 'accuracy/audio', 'accuracy/visual'} <= set(events.Tags()['scalars'])
    assert [e.value for e in events.Scalars('accuracy/joint')] == [p['accuracy/joint'] for p in points]
    assert len(events.Scalars('loss')) == 6


def test_resume_by_itself_and_from_a_path(train, digits, tmp_path):
    more = ('--cfg-options', 'train_cfg.max_epochs=2')
    whole, _ = train(tmp_path / 'whole', *more)
    resumed, out = train(digits.work_dir, '--resume', *more)
    assert 'work/epoch_1.pth at epoch 1, iteration 2' in out and same_weights(resumed, whole)
    other, out = train(tmp_path / 'other', '--resume', digits.work_dir / 'epoch_1.pth', *more)
    assert 'work/epoch_1.pth at epoch 1, iteration 2' in out and same_weights(other, whole)
    assert not (tmp_path / 'other' / 'epoch_1.pth').exists()
    _, out = train(tmp_path / 'new', '--resume', 'auto')
    assert 'the run starts from the beginning' in out


def test_seed(train, tmp_path):
    zero, seven, again = (train(tmp_path / str(i), '--seed', s)[0] for i, s in enumerate((0, 7, 7)))
    assert zero['meta']['seed'] == 0 and seven['meta']['seed'] == 7
    assert same_weights(seven, again) and not same_weights(seven, zero)


def test_bfloat16_on_cpu_and_deterministic_kernels(train, tmp_path, undo_deterministic):
    checkpoint, _ = train(tmp_path / 'run', '--amp', '--deterministic')
    assert torch.are_deterministic_algorithms_enabled()
    assert 'loss_scaler' in checkpoint['optimizer']
    assert all(v.dtype == torch.float32 for v in checkpoint['state_dict'].values() if v.is_floating_point())
    plain, _ = train(tmp_path / 'plain')
    assert 'loss_scaler' not in plain['optimizer'] and not same_weights(checkpoint, plain)


def test_learning_rate_for_the_batch_size(train, run_tool, digits, tmp_path):
    checkpoint, _ = train(tmp_path / 'run', '--auto-scale-lr')
    # Four samples an iteration, where the schedule is for 32.
    assert checkpoint['optimizer']['param_groups'][0]['initial_lr'] == pytest.approx(0.05 * 4 / 32)
    config = digits.config.with_name('no_base.py')
    config.write_text("_base_ = './tiny.py'\nauto_scale_lr = None\n")
    result = run_tool('train.py', config, '--auto-scale-lr')
    assert result.status == 2
    assert re.fullmatch('error: --auto-scale-lr: the config has no auto_scale_lr.base_batch_size.*\n', result.err)


def test_no_validation(train, tmp_path):
    _, out = train(tmp_path / 'run', '--no-validate')
    assert 'Epoch(train)' in out and 'Epoch(val)' not in out
    assert not list((tmp_path / 'run').glob('best_*'))


def test_options_of_the_command_line_reach_the_run(train, tmp_path):
    checkpoint, _ = train(tmp_path / 'run', '--cfg-options', 'optim_wrapper.optimizer.lr=0.02',
                          'model.encoders.audio.widths=[2,4]')
    assert checkpoint['optimizer']['param_groups'][0]['initial_lr'] == 0.02
    assert checkpoint['state_dict']['encoders.audio.blocks.0.weight'].shape[0] == 2
    assert 'lr=0.02' in checkpoint['meta']['cfg']


def test_predictions_and_pictures_of_a_test(run_tool, digits, tmp_path):
    result = run_tool('test.py', digits.config, digits.work_dir / 'epoch_1.pth', '--work-dir', tmp_path / 'test',
                      '--out', tmp_path / 'out' / 'p.npz', '--show-dir', tmp_path / 'show', '--show-interval', '2')
    assert (result.status, result.err) == (0, '')
    with np.load(tmp_path / 'out' / 'p.npz') as file:
        assert sorted(file['sample_id']) == [f'test_{i:02d}' for i in range(6)]
        assert {k: file[k].shape for k in file if 'score' in k} == dict.fromkeys(
            ('pred_score', 'score_audio', 'score_visual'), (6, 10))
        right = 100 * (file['pred_score'].argmax(1) == file['gt_label']).mean()
    assert f'accuracy/joint: {right:.4f}' in result.out
    assert sorted(p.name for p in (tmp_path / 'show').iterdir()) == [f'test_{i:02d}.png' for i in (0, 2, 4)]
    wrong = run_tool('test.py', digits.config, digits.work_dir / 'epoch_1.pth', '--out', 'p.csv')
    assert wrong.status == 2 and wrong.err.endswith('--out must end in .npz or .jsonl, got p.csv\n')


@pytest.fixture
def port():
    """A free port, as the environment of the shell scripts names it."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return dict(PORT=str(probe.getsockname()[1]), CUDA_VISIBLE_DEVICES='')


@pytest.mark.integration
def test_two_ranks_train_on_the_cpu(run_process, digits, tmp_path, port):
    result = run_process('dist_train.sh', digits.config, 2, '--work-dir', tmp_path / 'run', '--cfg-options',
                         'train_dataloader.batch_size=2', **port)
    assert result.status == 0, result.err
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
    # Two ranks of two samples: as many iterations as one rank of four has, and a random state each.
    assert checkpoint['meta']['iter'] == 2 and len(checkpoint['rng']) == 2
    assert result.out.count('Epoch(val) [1]') == 1


@pytest.mark.integration
@pytest.mark.slow
def test_two_ranks_test_what_one_does(run_process, run_tool, digits, tmp_path, port):
    # Five clips: one rank gets one more than the other.
    (digits.root / 'test.csv').write_text(''.join(f'test_{i:02d},{i % 2}\n' for i in range(5)))
    arguments = (digits.config, digits.work_dir / 'epoch_1.pth')
    options = ('--work-dir', tmp_path / 'test', '--out')
    one = run_tool('test.py', *arguments, *options, tmp_path / 'one.npz')
    two = run_process('dist_test.sh', *arguments, 2, *options, tmp_path / 'two.npz', **port)
    assert (one.status, two.status) == (0, 0), two.err
    accuracies = [re.findall(r'accuracy/\w+: [\d.]+', out) for out in (one.out, two.out)]
    assert len(accuracies[0]) == 3 and accuracies[0] == accuracies[1]
    with np.load(tmp_path / 'one.npz') as a, np.load(tmp_path / 'two.npz') as b:
        for key in ('pred_score', 'score_audio', 'score_visual'):
            assert a[key][np.argsort(a['sample_id'])] == pytest.approx(b[key][np.argsort(b['sample_id'])], abs=1e-6)
