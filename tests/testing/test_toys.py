"""The toys that other tests build on."""
from __future__ import annotations

import sys

import pytest
import torch

from avmm.testing import ToyAVDataset, ToyAVModel, build_toy_runner, launch_ranks, run_ranks, toy_config


def test_dataset_is_deterministic_and_labelled():
    first, again = ToyAVDataset(length=6)[5], ToyAVDataset(length=6)[5]
    assert first['inputs']['audio'].shape == (1, 8, 8)
    assert first['inputs']['visual'].shape == (3, 2, 8, 8)
    assert torch.equal(first['inputs']['audio'], again['inputs']['audio'])
    assert first['data_samples'].gt_label == 1
    assert first['data_samples'].sample_id == 'toy_5'


def test_poison_is_not_a_number():
    data = ToyAVDataset(poison=[2])
    assert data[2]['inputs']['audio'].isnan().any()
    assert not data[3]['inputs']['audio'].isnan().any()


def test_unimodal_logits_add_up_to_the_joint_ones():
    model = ToyAVModel().eval()
    inputs = dict(audio=torch.randn(2, 1, 8, 8), visual=torch.randn(2, 3, 2, 8, 8))
    feats = model.extract_feat(inputs)
    alone = model.unimodal_logits(feats)
    torch.testing.assert_close(alone['audio'] + alone['visual'], model.fuse(feats))


def test_overrides_merge_and_another_type_replaces(tmp_path):
    cfg = toy_config(tmp_path, train_cfg=dict(type='IterTrainLoop', max_iters=4), **{'model.dropout': 0.0})
    assert cfg.train_cfg == dict(type='IterTrainLoop', max_iters=4)
    assert cfg.model.dropout == 0.0
    assert cfg.model.type == 'ToyAVModel'


def test_toy_run_learns(tmp_path):
    runner = build_toy_runner(toy_config(tmp_path, train_cfg=dict(max_epochs=5)))
    runner.train()
    assert runner.message_hub.get_scalar('val/toy/accuracy').current() > 60
    assert (tmp_path / 'epoch_5.pth').is_file()
    assert runner.test()['toy/accuracy'] > 60


def _sum_of_ranks(offset):
    import torch.distributed as dist
    value = torch.tensor([dist.get_rank() + offset])
    dist.all_reduce(value)
    return dist.get_world_size(), value


def _fails_on_rank_one():
    import torch.distributed as dist
    if dist.get_rank() == 1:
        raise ValueError('rank one does not want to')
    dist.barrier()


def test_run_ranks_returns_what_each_rank_returns():
    results = run_ranks(_sum_of_ranks, 2, args=[1.0])
    assert [world for world, _ in results] == [2, 2]
    assert all(value.item() == 3.0 for _, value in results)


def test_run_ranks_shows_the_failure_of_a_rank():
    with pytest.raises(RuntimeError, match='(?s)rank 1 ended with status 1.*does not want to'):
        run_ranks(_fails_on_rank_one, 2)


def test_launch_ranks_sets_the_environment():
    ranks = launch_ranks([sys.executable, '-c', 'import os; print(os.environ["RANK"], os.environ["WORLD_SIZE"])'], 2,
                         stdout=-1, text=True)
    assert [rank.communicate()[0].split() for rank in ranks] == [['0', '2'], ['1', '2']]
