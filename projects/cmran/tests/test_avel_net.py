"""The audio-guided networks of AVE."""
from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch.testing import assert_close

from avmm.registry import HOOKS, MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.cmran.cmran import AVELHead, DualResidualFusion, WeakAVELHead


def build(fusion='concat', head='AVELHead', **kwargs):
    torch.manual_seed(0)
    head = dict(type=head, num_events=4, **({'hidden_channels': None} if fusion == 'dmrn' else {}))
    return MODELS.build(dict(type='AVELNet', head=head, fusion=fusion, audio_channels=6, visual_channels=5,
                             attention_channels=7, hidden=3, num_cells=6, **kwargs))


def batch(videos=2, segments=4, grid=(2, 3), seed=0):
    gen = torch.Generator().manual_seed(seed)
    return dict(audio=torch.rand(videos, segments, 6, generator=gen),
                visual=torch.rand(videos, segments, *grid, 5, generator=gen))


def samples(*videos):
    return [AVDataSample(metainfo=dict(sample_id=str(i))).set_gt_segments(v).set_gt_label(min(v))
            for i, v in enumerate(videos)]


KINDS = [('concat', 'AVELHead'), ('concat', 'WeakAVELHead'), ('dmrn', 'AVELHead'), ('dmrn', 'WeakAVELHead')]


@pytest.mark.parametrize('fusion, head', KINDS)
def test_training_lowers_the_loss(fusion, head):
    net = build(fusion, head)
    wrapper = build_optim_wrapper(net, dict(optimizer=dict(type='Adam', lr=0.01)))
    data = dict(inputs=batch(), data_samples=samples([1, 1, 4, 4], [4, 2, 2, 2]))
    losses = [net.train_step(data, wrapper)['loss'].item() for _ in range(30)]
    assert losses[-1] < losses[0] - 0.01
    assert net.step.logits.shape == (2, 5)
    assert net.step.labels.tolist() == [1, 2]


@pytest.mark.parametrize('fusion, head', KINDS)
def test_predictions(fusion, head):
    net = build(fusion, head, with_attention=True).eval()
    with torch.no_grad():
        found = net(batch(), samples([1, 1, 4, 4], [4, 2, 2, 2]), 'predict')
    for sample in found:
        assert sample.pred_segments.tolist() == sample.pred_segment_scores.argmax(-1).tolist()
        assert_close(sample.pred_segment_scores.sum(-1), torch.ones(4))
        assert sample.pred_score.shape == (5, ) and set(sample.unimodal_segments) == {'audio', 'visual'}
        assert sample.attention['spatial'].shape == (4, 2, 3)
        assert_close(sample.attention['spatial'].sum((-1, -2)), torch.ones(4))


def test_attention_follows_the_published_equations():
    """The guide is added to the row of its cell, in every column."""
    net = build()
    data = batch(videos=1, segments=1)
    attention = net.attention
    cells = data['visual'][0, 0].flatten(0, 1)
    guide = attention.guide(attention.audio(data['audio'][0, 0]).relu())
    units = attention.cells(attention.visual(cells).relu())
    scores = torch.stack([attention.score((units[i] + guide[i]).tanh())[0] for i in range(6)])
    weights = scores.softmax(0)
    assert_close(attention(data['audio'], data['visual'])[0, 0], weights @ cells)
    assert_close(net.attention_maps(data)['spatial'][0, 0].flatten(), weights.detach())


def test_rounds_of_dmrn_cross_the_residuals_and_share_weights():
    fusion = DualResidualFusion(4, rounds=2)
    a, v = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    once = DualResidualFusion(4)
    once.load_state_dict(fusion.state_dict())
    shared = 0.5 * (fusion.update['visual'](v) + fusion.update['audio'](a))
    assert_close(fusion(dict(audio=a, visual=v)), once(dict(audio=(v + shared).tanh(), visual=(a + shared).tanh())))


def test_silent_modality_is_zero():
    net = build()
    feats = net.extract_feat(batch())
    alone = net.unimodal_segments(feats)
    assert not alone['audio'][..., 6:].any() and not alone['visual'][..., :6].any()
    assert_close(alone['audio'] + alone['visual'], net.fuse_segments(feats))
    assert {m: tuple(z.shape) for m, z in net.unimodal_logits(feats).items()} == dict(audio=(2, 5), visual=(2, 5))


def test_balancing_scales_a_branch():
    net = build()
    hook = HOOKS.build(dict(type='OGM', alpha=0.5, params=dict(dims=[2])))
    wrapper = build_optim_wrapper(net, dict(optimizer=dict(type='SGD', lr=0.1)))
    hook.attach(net, wrapper.optimizer)
    seen = {}
    wrapper.optimizer.register_step_pre_hook(lambda *_: seen.update(
        {m: net.branch(m).lstm.weight_ih_l0.grad.clone() for m in net.modalities}))
    data = dict(inputs=batch(), data_samples=samples([1, 1, 4, 4], [4, 2, 2, 2]))
    net.train_step(data, wrapper)
    plain = build()
    plain.parse_losses(plain(**data, mode='loss'))[0].backward()
    scale = {m: (seen[m].norm() / plain.branch(m).lstm.weight_ih_l0.grad.norm()).item() for m in net.modalities}
    assert min(scale.values()) < 0.999 and max(scale.values()) == pytest.approx(1, abs=1e-5)


def test_labels_of_videos():
    """A video without an event is background to the softmax over all classes."""
    from avmm.models.heads import EventTargets
    targets = EventTargets(torch.tensor([[4, 0, 0], [4, 4, 4], [3, 4, 3]]), torch.tensor([0, 2, 3]))
    assert AVELHead(4, num_events=4).labels(targets).tolist() == [0, 4, 3]
    assert WeakAVELHead(4, num_events=4).labels(targets).tolist() == [0, 2, 3]


def test_precision_and_precision_of_features():
    net = build(dtype='float64')
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    half = {m: x.half() for m, x in batch().items()}
    assert net(half).dtype == torch.float64


def test_other_grid_is_refused():
    with pytest.raises(ConfigError, match='built for num_cells=6 cells a segment, .* a grid of 5x5 cells; set num_c'):
        build()(batch(grid=(5, 5)))
    with pytest.raises(ConfigError, match='have a grid of no cells'):
        build()(dict(batch(), visual=torch.rand(2, 4, 5)))


def test_other_fusion_is_refused():
    with pytest.raises(ConfigError, match="AVELNet.fusion is 'sum'; it must be 'concat' or 'dmrn'"):
        build('sum')


def test_supervision_needs_labels_of_segments():
    weak = [AVDataSample().set_gt_label(1), AVDataSample().set_gt_label(4)]
    with pytest.raises(DataError, match='the samples have no gt_segments'):
        build()(batch(), weak, 'loss')
    assert build(head='WeakAVELHead')(batch(), weak, 'loss')['loss_video'].isfinite()


def test_initial_weights():
    """Glorot everywhere but in the attention of DMRN."""
    concat = MODELS.build(dict(type='AVELNet', head=dict(type='AVELHead'))).attention.visual.weight
    dmrn = MODELS.build(dict(type='AVELNet', head=dict(type='AVELHead'), fusion='dmrn')).attention.visual.weight
    assert concat.abs().max().item() == pytest.approx((6 / 1024) ** 0.5, rel=1e-3)
    assert dmrn.abs().max().item() == pytest.approx(512 ** -0.5, rel=1e-3)
