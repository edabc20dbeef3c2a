"""Cross-modality matching: network, loss, optimiser, pairs."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, Dataset

from avmm.datasets.collate import av_collate
from avmm.registry import MODELS, OPTIMIZERS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.cmran.cmran import ContrastiveLoss, KerasAdam, SegmentPairs


def build(**kwargs):
    return MODELS.build(dict(type='CrossModalMatching', in_channels=dict(audio=6, visual=8), **kwargs))


def inputs(videos=3, segments=5):
    return dict(audio=torch.rand(videos, segments, 6), visual=torch.rand(videos, segments, 8))


def test_distances():
    net = build()
    data = inputs()
    with torch.no_grad():
        found = net(data, [AVDataSample() for _ in range(3)], 'predict')
        paired = net(data)
        feats = net.extract_feat(data)
    every = torch.stack([s.pred_distance for s in found])
    assert_close(every.diagonal(dim1=1, dim2=2), paired)
    assert_close(every[1, 4, 2], (feats['visual'][1, 4] - feats['audio'][1, 2]).norm())


def test_equal_embeddings_have_a_finite_slope():
    net = build()
    zero = dict(audio=torch.zeros(1, 1, 6), visual=torch.zeros(1, 1, 8))
    loss = net(zero, [AVDataSample().set_gt_mask([True])], 'loss')['loss']
    loss.backward()
    assert loss.item() == pytest.approx(1e-7)
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_initial_weights_are_those_of_keras():
    net = MODELS.build(dict(type='CrossModalMatching'))
    weight = net.branch('visual')[0].weight
    assert weight.abs().max().item() == pytest.approx((6 / (512 + 128)) ** 0.5, rel=1e-3)
    assert not any(layer.bias.any() for m in net.modalities for layer in (net.branch(m)[0], net.branch(m)[2]))


def test_contrastive_loss():
    distance, same = torch.tensor([0.5, 0.5, 3.0]), torch.tensor([True, False, False])
    assert ContrastiveLoss(margin=2)(distance, same).item() == pytest.approx((0.25 + 2.25 + 0) / 3)
    assert ContrastiveLoss(margin=1, loss_weight=3)(distance, same).item() == pytest.approx(0.25 + 0.25)


def test_refusals():
    net = build()
    with pytest.raises(ConfigError, match=r'reads visual features \(B, S, 8\), got \(3, 5, 2, 2, 8\); maps have'):
        net(dict(inputs(), visual=torch.rand(3, 5, 2, 2, 8)))
    with pytest.raises(ConfigError, match='has no logits of one modality'):
        net.unimodal_logits(net.extract_feat(inputs()))
    with pytest.raises(ConfigError, match=r"in_channels names \['audio'\]; it must name audio and visual"):
        MODELS.build(dict(type='CrossModalMatching', in_channels=dict(audio=6)))
    with pytest.raises(DataError, match='sample a has no gt_mask; use the matching setting'):
        net(inputs(1), [AVDataSample(metainfo=dict(sample_id='a'))], 'loss')


def test_keras_adam_is_its_equation():
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    idle = torch.nn.Parameter(torch.ones(1))
    optimizer = OPTIMIZERS.build(dict(type='KerasAdam', params=[p, idle], lr=0.1))
    assert isinstance(optimizer, KerasAdam)
    m, v, expected = np.zeros(2), np.zeros(2), p.detach().numpy().copy()
    for t in range(1, 6):
        grad = np.array([1e-7, 0.3]) * t
        p.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad ** 2
        expected -= 0.1 * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12)
    assert idle.item() == 1 and not optimizer.state[idle]


def test_keras_adam_goes_on_from_its_state():
    def run(resume_at):
        torch.manual_seed(0)
        p = torch.nn.Parameter(torch.rand(4))
        optimizer = KerasAdam([p], lr=0.1)
        for t in range(4):
            if t == resume_at:
                state, optimizer = optimizer.state_dict(), KerasAdam([p], lr=0.5)
                optimizer.load_state_dict(state)
            p.grad = p.detach() * (t + 1)
            optimizer.step()
        return p
    assert torch.equal(run(None), run(2))


def test_keras_adam_refuses():
    with pytest.raises(ConfigError, match=r'lr=-1 and eps=1e-07 must be 0 or more, betas=\(0.9, 0.999\) in \[0, 1\)'):
        KerasAdam([torch.nn.Parameter(torch.ones(1))], lr=-1)


class Videos(Dataset):
    """Three videos of five segments, one by one."""

    metainfo = dict(classes=('a', ))
    fetched = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.fetched += 1
        value = 100 * index + torch.arange(5.0)[:, None]
        sample = AVDataSample(metainfo=dict(sample_id=f'v{index}', row=index)).set_gt_mask([0, 1, 1, index, 0])
        return dict(inputs=dict(audio=value.expand(5, 2), visual=-value.expand(5, 3)), data_samples=sample)


def test_pairs():
    videos = Videos()
    pairs = SegmentPairs(videos)
    assert len(pairs) == 15 and pairs.metainfo is videos.metainfo
    videos.fetched = 0
    batch = pairs.__getitems__([13, 1, 10, 12])
    assert videos.fetched == 2
    assert batch['inputs']['audio'].tolist() == [[[203, 203]], [[1, 1]], [[200, 200]], [[202, 202]]]
    assert batch['inputs']['visual'].shape == (4, 1, 3)
    assert [s.gt_mask.tolist() for s in batch['data_samples']] == [[True], [True], [False], [True]]
    assert [s.sample_id for s in batch['data_samples']] == ['v2@3', 'v0@1', 'v2@0', 'v2@2']
    one = pairs[13]
    assert one['inputs']['audio'].tolist() == [[203, 203]] and one['data_samples'].segment == 3


def test_pairs_train_the_network():
    loader = DataLoader(SegmentPairs(Videos()), batch_size=4, collate_fn=av_collate)
    net = MODELS.build(dict(type='CrossModalMatching', in_channels=dict(audio=2, visual=3)))
    shapes = [net(**batch, mode='loss')['loss'].shape for batch in loader]
    assert shapes == [()] * 4 and net.step.labels.shape == (3, 1)


def test_pairs_need_a_mask():
    with pytest.raises(DataError, match='samples of list have no gt_mask; give it a data set of the setting'):
        len(SegmentPairs([dict(inputs={}, data_samples=AVDataSample())]))
