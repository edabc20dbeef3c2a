from __future__ import annotations

import torch

from avmm.datasets import av_collate
from avmm.registry import FUNCTIONS
from avmm.structures import AVDataSample


def item(**inputs):
    return {'inputs': inputs, 'data_samples': AVDataSample()}


def test_equal_shapes_are_stacked_modality_by_modality():
    batch = av_collate([item(audio=torch.full((1, 4, 3), i), visual=torch.full((3, 2, 2), i)) for i in (1.0, 2.0)])
    assert set(batch['inputs']) == {'audio', 'visual'} and len(batch['data_samples']) == 2
    assert batch['inputs']['audio'].shape == (2, 1, 4, 3)
    assert batch['inputs']['visual'][:, 0, 0, 0].tolist() == [1, 2]


def test_unequal_shapes_stay_a_list():
    batch = av_collate([item(audio=torch.zeros(1, n)) for n in (4, 5)])
    assert [tuple(a.shape) for a in batch['inputs']['audio']] == [(1, 4), (1, 5)]


def test_an_absent_modality_has_rows_for_those_that_have_it():
    batch = av_collate([item(audio=torch.ones(2), visual=torch.ones(3)), item(visual=torch.zeros(3))])
    assert batch['inputs']['audio'].shape == (1, 2) and batch['inputs']['visual'].shape == (2, 3)
    assert {k: v.tolist() for k, v in batch['inputs']['present'].items()} == {'audio': [True, False]}


def test_it_is_found_by_name():
    assert FUNCTIONS.get('av_collate') is av_collate


def test_a_finished_batch_is_handed_through():
    batch = {'inputs': {'audio': torch.zeros(2, 3)}, 'data_samples': [AVDataSample(), AVDataSample()]}
    assert av_collate(batch) is batch
