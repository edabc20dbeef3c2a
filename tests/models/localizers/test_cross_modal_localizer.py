"""The frame of CMRAN and DMIN, and what every event localiser does."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from avmm.models import AVModel, EventLocalizer
from avmm.models.attention import MapSource
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError

SIZES = dict(channels=8, in_channels=dict(audio=5, visual=6), encoder=dict(num_heads=2, hidden_channels=16),
             decoder=dict(hidden_channels=16, attention=dict(type='MultiheadAttention', num_heads=2)),
             interaction=dict(num_heads=2))


@MODELS.register_module()
class MeanOfCells(MapSource, nn.Module):
    """Attention that looks everywhere, more so where it is loud."""

    def forward(self, visual, audio):
        self.keep_map('spatial', visual.new_ones(visual.shape[:-1]))
        return visual.mean((2, 3)) * audio.mean(-1, keepdim=True)


def build(head: str = 'SupervisedEventHead', **options) -> EventLocalizer:
    torch.manual_seed(0)
    cfg = dict(SIZES, type='CrossModalLocalizer', visual_attention=dict(type='MeanOfCells'),
               head=dict(type=head, in_channels=8, num_events=3))
    return MODELS.build(dict(cfg, **options))


def batch(size: int = 2, length: int = 4, grid: int = 3) -> dict:
    samples = [AVDataSample().set_gt_label(i % 3).set_gt_segments([3] + [i % 3] * (length - 1)) for i in range(size)]
    inputs = dict(audio=torch.rand(size, length, 5), visual=torch.rand(size, length, grid, grid, 6))
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize('head', ['SupervisedEventHead', 'WeakEventHead'])
@pytest.mark.parametrize(('size', 'length', 'grid'), [(2, 4, 3), (1, 10, 7), (1, 1, 1)])
def test_any_length_grid_and_batch(head, size, length, grid):
    model, data = build(head), batch(size, length, grid)
    losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    classes = 3 if head == 'SupervisedEventHead' else 4
    assert model(data['inputs']).shape == (size, classes)
    for sample in model(**data, mode='predict'):
        assert sample.pred_segments.shape == (length, ) and sample.pred_segment_scores.shape == (length, 4)
        assert sample.pred_score.shape == (classes, ) and 'attention' not in sample
        assert {m: s.shape for m, s in sample.unimodal_segments.items()} == dict.fromkeys(('audio', 'visual'),
                                                                                        (length, ))


def test_step_is_recorded_for_balancing_methods():
    model, data = build(), batch()
    model(**data, mode='loss')
    assert model.step.labels.tolist() == [0, 1] and model.step.logits.shape == (2, 3)
    assert model.step.feats['audio'].shape == model.step.feats['visual'].shape == (2, 4, 8)
    alone = model.unimodal_logits(model.step.feats)
    assert {m: z.shape for m, z in alone.items()} == dict(audio=(2, 3), visual=(2, 3))


def test_a_modality_alone_does_not_hear_the_other():
    model, first, second = build().eval(), batch(), batch()
    mixed = dict(audio=first['inputs']['audio'], visual=second['inputs']['visual'])
    alone, other = (model.unimodal_logits(model.extract_feat(x)) for x in (first['inputs'], mixed))
    assert torch.equal(alone['audio'], other['audio'])
    assert not torch.equal(alone['visual'], other['visual'])
    model.branches['visual'].attention.forward = lambda visual, audio: visual.mean((2, 3))
    mixed = dict(audio=second['inputs']['audio'], visual=first['inputs']['visual'])
    alone, other = (model.unimodal_logits(model.extract_feat(x)) for x in (first['inputs'], mixed))
    # Only through the attention does the audio reach the visual modality.
    assert torch.equal(alone['visual'], other['visual'])


def test_branches_hold_their_own_parameters_and_are_called():
    model, data = build(), batch()
    owned = {m: {id(p) for p in model.branch(m).parameters()} for m in model.modalities}
    assert not owned['audio'] & owned['visual']
    assert {id(p) for p in model.branches['visual'].projection.parameters()} <= owned['visual']
    for m in model.modalities:
        model.branch(m).register_forward_hook(lambda module, args, output: torch.zeros_like(output))
    feats = model.extract_feat(data['inputs'])
    assert not feats['audio'].any() and not feats['visual'].any()


def test_wider_parameters_and_features_of_other_types():
    narrow, wide = build(), build(dtype='float64')
    for p, q in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert q.dtype == torch.float64 and torch.equal(p.double(), q)
    data = batch()
    data['inputs'] = dict(audio=data['inputs']['audio'].double(), visual=data['inputs']['visual'].half())
    for model in (narrow, wide):
        assert model(**data, mode='loss')['loss_event'].dtype == next(model.parameters()).dtype
    with pytest.raises(ConfigError, match="dtype is 'half'; it must be one of float32, float64"):
        build(dtype='half')


def test_maps_on_request():
    model, data = build(with_attention=True).eval(), batch()
    sample = model(**data, mode='predict')[1]
    shapes = {name: tuple(value.shape) for name, value in sample.attention.items()}
    assert shapes == dict(spatial=(4, 3, 3), interaction=(4, 8), audio_decoder=(4, 8), visual_decoder=(4, 8))
    maps = model.attention_maps(data['inputs'])
    torch.testing.assert_close(maps['interaction'][1], sample.attention['interaction'])
    torch.testing.assert_close(maps['audio_decoder'].sum(-1), torch.ones(2, 4))


def test_one_vector_a_segment():
    model = build(visual_attention=None, projection=False)
    inputs = dict(audio=torch.rand(2, 4, 5), visual=torch.rand(2, 4, 6))
    feats = model.extract_feat(inputs)
    assert torch.equal(feats['visual_sequence'], inputs['visual'])
    assert model.fuse(feats).shape == (2, 3) and 'spatial' not in model.attention_maps(inputs)


def test_dropouts_come_from_the_config():
    off = dict(dropout=0.0)
    model = build(projection_dropout=0.0, encoder=dict(SIZES['encoder'], **off),
                  decoder=dict(SIZES['decoder'], **off), interaction=dict(SIZES['interaction'], **off)).train()
    data = batch()
    assert torch.equal(model(data['inputs']), model(data['inputs']))
    noisy = build().train()
    assert not torch.equal(noisy(data['inputs']), noisy(data['inputs']))


def test_unknown_mode():
    with pytest.raises(ConfigError, match="mode is 'train'; it must be 'tensor', 'loss' or 'predict'"):
        build()(**batch(), mode='train')


def test_is_an_audio_visual_model():
    assert issubclass(EventLocalizer, AVModel)
    with pytest.raises(TypeError, match='unimodal_segments'):
        EventLocalizer(head=dict(type='SupervisedEventHead'))
