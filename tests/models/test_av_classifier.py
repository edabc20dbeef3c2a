"""AVClassifier: the three modes, absent modalities, extra loss terms, wrong options."""
from __future__ import annotations

import math

import pytest
import torch
from mmengine.optim import OptimWrapper

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, NonFiniteLossError


def build(modalities=('audio', 'visual'), **kwargs):
    channels = {'audio': 1, 'visual': 3}
    cfg = dict(type='AVClassifier', num_classes=5, fusion=dict(type='ConcatFusion'),
               encoders={m: dict(type='SmallConvNet', in_channels=channels[m], widths=(4, 8)) for m in modalities})
    torch.manual_seed(0)
    return MODELS.build({**cfg, **kwargs})


def batch(size=4):
    generator = torch.Generator().manual_seed(1)
    inputs = {'audio': torch.rand(size, 1, 16, 12, generator=generator),
              'visual': torch.rand(size, 3, 2, 16, 16, generator=generator)}
    return inputs, [AVDataSample(metainfo={'sample_id': f'clip_{i}'}).set_gt_label(i % 5) for i in range(size)]


def test_tensor_mode_gives_joint_logits_that_are_the_sum_of_the_unimodal_ones():
    model, (inputs, _) = build().eval(), batch()
    logits = model(inputs)
    feats = model.extract_feat(inputs)
    assert logits.shape == (4, 5)
    torch.testing.assert_close(sum(model.unimodal_logits(feats).values()), logits)


def test_loss_mode_records_the_step_and_adds_the_terms_of_hooks():
    model, (inputs, samples) = build(), batch()
    model.add_loss_term('loss_extra', lambda step: step.logits.square().mean())
    losses = model(inputs, samples, mode='loss')
    expected = torch.nn.functional.cross_entropy(model.step.logits, torch.tensor([0, 1, 2, 3]))
    torch.testing.assert_close(losses['loss'], expected)
    torch.testing.assert_close(losses['loss_extra'], model.step.logits.square().mean())
    assert model.step.sample_ids == ['clip_0', 'clip_1', 'clip_2', 'clip_3']
    with pytest.raises(ValueError, match="'loss_extra' is there already"):
        model.add_loss_term('loss_extra', lambda step: step.logits.mean())
    model.eval()
    assert not model.step


def test_predict_mode_gives_probabilities_for_both_and_for_each():
    model, (inputs, samples) = build().eval(), batch()
    out = model(inputs, samples, mode='predict')
    assert set(out[0].unimodal_scores) == {'audio', 'visual'}
    torch.testing.assert_close(torch.stack([s.pred_score for s in out]), model(inputs).softmax(-1))
    assert out[2].pred_label == out[2].pred_score.argmax()


def test_one_modality_is_the_same_class_with_one_encoder():
    model, (inputs, samples) = build(('audio', )).eval(), batch()
    out = model({'audio': inputs['audio']}, samples, mode='predict')
    torch.testing.assert_close(out[0].unimodal_scores['audio'], out[0].pred_score)


def test_a_dropped_modality_leaves_the_answer_of_the_other():
    model, (inputs, samples) = build().eval(), batch()
    with torch.no_grad():
        feats = model.extract_feat(inputs)
        dropped = model({'audio': inputs['audio']}, samples, mode='predict')
        zeros = {'audio': feats['audio'], 'visual': torch.zeros_like(feats['visual'])}
        torch.testing.assert_close(dropped[1].pred_score, model.fuse(zeros)[1].softmax(-1))
    assert set(dropped[0].unimodal_scores) == {'audio'}


def test_samples_without_a_modality_in_a_mixed_batch():
    model, (inputs, samples) = build().eval(), batch()
    rows = torch.tensor([True, False, True, False])
    mixed = {'audio': inputs['audio'], 'visual': inputs['visual'][rows], 'present': {'visual': rows}}
    with torch.no_grad():
        got = model.extract_feat(mixed)['visual']
        whole = model.extract_feat(inputs)['visual']
        out = model(mixed, samples, mode='predict')
    torch.testing.assert_close(got[rows], whole[rows])
    assert not got[~rows].any()
    assert [sorted(s.unimodal_scores) for s in out[:2]] == [['audio', 'visual'], ['audio']]


def test_multi_label_targets_and_scores():
    model, (inputs, samples) = build(loss=dict(type='BCELoss')), batch()
    samples[0].set_gt_label((1, 3))
    target = model.targets(samples, torch.device('cpu'))
    assert target[0].tolist() == [0, 1, 0, 1, 0] and target[1].tolist() == [0, 1, 0, 0, 0]
    model.eval()
    out = model(inputs, samples, mode='predict')
    torch.testing.assert_close(torch.stack([s.pred_score for s in out]), model(inputs).sigmoid())


def test_a_loss_that_is_no_number_stops_before_the_update():
    model, (inputs, samples) = build(), batch()
    model.add_loss_term('loss_bad', lambda step: step.logits.sum() * math.nan)
    before = {k: v.clone() for k, v in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    with pytest.raises(NonFiniteLossError, match=r'loss_bad=nan.*of the batch: clip_0, clip_1, clip_2, clip_3'):
        model.train_step({'inputs': inputs, 'data_samples': samples}, wrapper)
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]), name


def test_wrong_options_say_what_to_do():
    with pytest.raises(ConfigError, match='encoders is empty'):
        build(())
    model, (inputs, _) = build(('audio', )), batch()
    with pytest.raises(ConfigError, match=r"inputs hold \['visual'\], the model encodes \['audio'\]"):
        model({'visual': inputs['visual']})
    with pytest.raises(ConfigError, match="mode is 'train'"):
        model({'audio': inputs['audio']}, mode='train')
