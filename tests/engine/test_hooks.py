"""What is kept on the disk, in which order, and what the log says about data."""
from __future__ import annotations

import pytest
from mmengine.hooks import Hook
from torch.utils.data import Dataset

from avmm.engine.checkpoint import load_checkpoint
from avmm.registry import DATASETS
from avmm.testing import ToyAVDataset, build_toy_runner, toy_config
from avmm.utils import ConfigError


def names(folder):
    return sorted(p.name for p in folder.glob('*.pth'))


def train(work_dir, checkpoint, **overrides):
    runner = build_toy_runner(toy_config(work_dir, **{'default_hooks.checkpoint': dict(
        type='CheckpointHook', **checkpoint)}, **overrides))
    runner.train()
    return runner


def test_keeps_the_newest(tmp_path):
    train(tmp_path, dict(interval=1, max_keep_ckpts=2), train_cfg=dict(max_epochs=4))
    assert names(tmp_path) == ['epoch_3.pth', 'epoch_4.pth']


def test_the_old_goes_after_the_new_is_whole(tmp_path, monkeypatch):
    """One checkpoint is kept; the next one cannot be written, and the old one is still there."""
    from avmm.engine import runner as module
    real, there = module.save_checkpoint, []

    def watch(obj, path):
        real(obj, path)
        there.append(names(tmp_path))

    monkeypatch.setattr(module, 'save_checkpoint', watch)
    train(tmp_path, dict(interval=1, max_keep_ckpts=1))
    assert there == [['epoch_1.pth'], ['epoch_1.pth', 'epoch_2.pth'], ['epoch_2.pth', 'epoch_3.pth']]
    assert names(tmp_path) == ['epoch_3.pth']


def test_a_run_killed_before_it_deleted_deletes_on_resume(tmp_path):
    train(tmp_path, dict(interval=1, max_keep_ckpts=1), train_cfg=dict(max_epochs=2))
    (tmp_path / 'epoch_1.pth').write_bytes(b'left behind')
    (tmp_path / '.epoch_2.pth.123.tmp').write_bytes(b'half')
    train(tmp_path, dict(interval=1, max_keep_ckpts=1), train_cfg=dict(max_epochs=3), resume=True)
    assert names(tmp_path) == ['epoch_3.pth']
    assert not list(tmp_path.glob('.*.tmp'))


def test_rolling_checkpoints_inside_epochs(tmp_path):
    train(tmp_path, dict(interval=2, iter_interval=3), train_cfg=dict(max_epochs=3))
    assert names(tmp_path) == ['epoch_2.pth', 'epoch_3.pth', 'iter_12.pth']
    assert load_checkpoint(tmp_path / 'iter_12.pth')['loop']['consumed'] == 4


def test_best_is_kept_and_the_newest_knows_it(tmp_path):
    runner = train(tmp_path, dict(interval=1, max_keep_ckpts=1, save_best='toy/accuracy', rule='greater'))
    best = [n for n in names(tmp_path) if n.startswith('best_toy_accuracy_epoch_')]
    assert len(best) == 1
    info = load_checkpoint(tmp_path / 'epoch_3.pth')['message_hub']['runtime_info']
    scores = runner.message_hub.get_scalar('val/toy/accuracy').data[0]
    assert runner.message_hub.get_info('best_score') == scores.max()
    assert info['best_ckpt'].endswith(best[0])
    content = load_checkpoint(tmp_path / best[0])
    assert content['meta']['epoch'] == scores.argmax() + 1
    assert 'optimizer' not in content


def test_best_of_what_is_no_metric(tmp_path):
    with pytest.raises(ConfigError, match="save_best='accuracy' is not a metric of the validation; it gave toy/accu"):
        train(tmp_path, dict(interval=1, save_best='accuracy'))


def test_published_checkpoint_has_the_keys_asked_for(tmp_path):
    train(tmp_path, dict(interval=3, published_keys=['meta', 'state_dict']))
    published = [n for n in names(tmp_path) if n.startswith('epoch_3-')]
    assert len(published) == 1
    assert set(load_checkpoint(tmp_path / published[0])) == {'meta', 'state_dict'}


@DATASETS.register_module(force=True)
class ToyWithHoles(Dataset):
    """Says of every fifth sample that it stands for one that could not be read."""

    on_error = 'skip'

    def __init__(self):
        self.toy = ToyAVDataset(length=32)
        self.metainfo = self.toy.metainfo

    def __len__(self):
        return 32

    def __getitem__(self, index):
        sample = self.toy[index]
        if int(index) % 5 == 0:
            sample['data_samples'].set_metainfo(dict(replaced=f'{int(index) % 2}.wav is empty'))
        return sample


def test_replaced_samples_are_reported_each_epoch(tmp_path, caplog):
    lines = []
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=2), **{
        'train_dataloader.dataset': dict(_delete_=True, type='ToyWithHoles')}))
    runner.logger.warning = lines.append
    runner.train()
    expected = 'train: 7 samples could not be read and were replaced: 4 x 0.wav is empty; 3 x 1.wav is empty'
    assert lines == [expected, expected]
    assert runner.message_hub.get_scalar('train/replaced_samples').data[0].tolist() == [7, 7]


def test_fingerprints_are_logged(tmp_path):
    lines = []
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1)))
    runner.logger.info = lines.append
    runner.train()
    assert any(line.startswith('train data: ToyAVDataset, 32 samples, fingerprint toy-32-') for line in lines)
    assert load_checkpoint(tmp_path / 'epoch_1.pth')['message_hub']['runtime_info']['data/val_fingerprint']


def test_data_report_can_be_left_out(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path, **{'default_hooks.data_report': None}))
    assert 'DataReportHook' not in [type(h).__name__ for h in runner.hooks]


def test_hooks_are_called_at_every_stage_they_override(tmp_path):
    calls = []

    class Both(Hook):
        def _before_iter(self, runner, batch_idx, data_batch=None, mode='train'):
            calls.append(mode)

        def after_data_epoch(self, runner):
            calls.append('data epoch')

    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=1)))
    runner.register_hook(Both())
    runner.train()
    assert calls == ['train'] * 4 + ['data epoch'] + ['val'] * 2
