from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from avmm.evaluation.loss_landscape import (
    Surface,
    WeightPlane,
    cosine,
    loss_and_accuracy,
    random_direction,
    weights_of,
)
from avmm.testing import ToyAVDataset, ToyAVModel
from avmm.utils import ConfigError, DataError


@pytest.fixture
def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def test_filter_normalisation_gives_each_filter_the_length_of_its_weights(net):
    weights = weights_of(net)
    direction = random_direction(weights, 0)
    for name in ('0.weight', '3.weight'):
        lengths = [t[name].flatten(1).norm(dim=1) for t in (direction, weights)]
        torch.testing.assert_close(*lengths)
    assert all(not direction[name].any() for name in ('0.bias', '1.weight', '1.bias', '3.bias'))


@pytest.mark.parametrize('norm, rule', [
    ('layer', lambda d, w: d * w.norm() / d.norm()),
    ('weight', lambda d, w: d * w),
    ('dfilter', lambda d, w: torch.stack([row / (row.norm() + 1e-10) for row in d])),
    ('dlayer', lambda d, w: d / d.norm()),
    ('none', lambda d, w: d),
])
def test_other_normalisations(net, norm, rule):
    weights = weights_of(net)
    plain = random_direction(weights, 5, 'none')
    torch.testing.assert_close(random_direction(weights, 5, norm)['0.weight'],
                               rule(plain['0.weight'], weights['0.weight'].detach()))


def test_small_tensors_move_along_themselves_and_do_not_change_the_draws(net):
    weights = weights_of(net)
    with_small = random_direction(weights, 1, ignore_small=False)
    torch.testing.assert_close(with_small['1.weight'], weights['1.weight'].detach())
    torch.testing.assert_close(with_small['3.weight'], random_direction(weights, 1)['3.weight'])


def test_states_hold_running_statistics_and_no_counter(net):
    assert set(weights_of(net, 'states')) - set(weights_of(net)) == {'1.running_mean', '1.running_var'}
    with pytest.raises(ConfigError, match="kind is 'all'; use weights or states"):
        weights_of(net, 'all')
    with pytest.raises(ConfigError, match="norm is 'l1'; use one of filter"):
        random_direction(weights_of(net), 0, 'l1')


def test_directions_repeat_and_are_nearly_orthogonal(net):
    big = {'w': torch.randn(200, 200)}
    one, other = random_direction(big, 0), random_direction(big, 1)
    assert torch.equal(one['w'], random_direction(big, 0)['w'])
    assert cosine(one, one) == pytest.approx(1) and abs(cosine(one, other)) < 0.02


def test_the_plane_moves_by_steps_and_gives_the_weights_back(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weights = weights_of(net, 'states')
    directions = [random_direction(weights, seed) for seed in (0, 1)]
    with WeightPlane(weights, directions) as plane:
        plane.move(0.9, 0.9)
        plane.move(0.5, -2)
        torch.testing.assert_close(
            net[0].weight.detach(),
            before['0.weight'] + 0.5 * directions[0]['0.weight'] - 2 * directions[1]['0.weight'])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_loss_is_the_mean_over_samples_of_unequal_batches():
    from avmm.datasets.collate import av_collate
    data, model = ToyAVDataset(10), ToyAVModel().eval()
    items = [data[i] for i in range(10)]
    batches = [model.data_preprocessor(av_collate(part), False) for part in (items[:7], items[7:])]
    whole = model.data_preprocessor(av_collate(items), False)
    logits = model(whole['inputs'], mode='tensor').detach()
    labels = torch.arange(10) % 4
    loss, accuracy = loss_and_accuracy(model, batches)
    assert loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert accuracy == 10 * int((logits.argmax(1) == labels).sum())
    assert model.step.logits is None


def test_a_surface_survives_its_file(tmp_path):
    path, steps = tmp_path / 's.h5', np.linspace(-1, 1, 3)
    surface = Surface(steps, steps[:2], dict(seed=1, norm='filter'))
    assert len(surface.pending()) == 6 and surface.coordinates((1, 2)) == (1.0, 0.0)
    surface.record((1, 2), math.inf, 50.0)
    surface.save(path)
    again = Surface(steps, steps[:2], dict(seed=1, norm='filter'))
    again.resume(path)
    assert again.loss[1, 2] == math.inf and (1, 2) not in again.pending() and len(again.pending()) == 5
    with pytest.raises(DataError, match='another surface .seed was 1, is 2; the steps along y differ'):
        Surface(steps, None, dict(seed=2, norm='filter')).resume(path)
    path.write_text('no')
    with pytest.raises(DataError, match='s.h5: not an HDF5 file'):
        again.resume(path)
