"""Heads of single modalities, training of one modality inside the whole model, features with time steps."""
from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from avmm.models.base import Step
from avmm.models.classifiers.steps import fold_steps, over_steps
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError

FEATS = dict(audio=torch.randn(3, 4), visual=torch.randn(3, 4))


class _Stub(nn.Module):
    """An encoder of some width, with time steps or without."""

    def __init__(self, steps: int | None = None):
        super().__init__()
        self.out_channels = 4
        self.fc = nn.Linear(2, 4 * (steps or 1))
        self.steps = steps

    def forward(self, x):
        y = self.fc(x)
        return y if self.steps is None else y.unflatten(1, (self.steps, 4))


@pytest.fixture(autouse=True)
def _stub():
    init_default_scope('avmm')
    MODELS.register_module(name='HeadStub', module=_Stub, force=True)
    yield
    MODELS._module_dict.pop('HeadStub')


def classifier(fusion='ConcatFusion', steps=(None, None), **options):
    torch.manual_seed(0)
    encoders = {m: dict(type='HeadStub', steps=s) for m, s in zip(('audio', 'visual'), steps, strict=True)}
    return MODELS.build(dict(type='AVClassifier', num_classes=5, fusion=dict(type=fusion), encoders=encoders,
                             **options))


def batch(size=3):
    return dict(inputs={m: torch.randn(size, 2) for m in ('audio', 'visual')},
                data_samples=[AVDataSample().set_gt_label(i % 5) for i in range(size)])


def test_heads_see_the_transformed_features():
    model = classifier('AttentionFusion', heads=True)
    fused = model.fused_feats(FEATS)
    assert not torch.allclose(fused['audio'], FEATS['audio'])
    for m, logits in model.head_logits(FEATS).items():
        torch.testing.assert_close(logits, model.unimodal_head(m)(fused[m]))


def test_heads_fit_a_fusion_that_changes_the_width():
    model = MODELS.build(dict(
        type='AVClassifier', num_classes=5, heads=True, fusion=dict(type='GatedFusion', hidden=7),
        encoders=dict(audio=dict(type='HeadStub'), visual=dict(type='HeadStub'))))
    assert model.unimodal_head('visual').in_features == 7
    assert model.head_logits(FEATS)['audio'].shape == (3, 5)


def test_without_heads_the_fusion_answers():
    model = classifier()
    assert model.unimodal_head('audio') is None
    torch.testing.assert_close(model.head_logits(FEATS)['audio'], model.unimodal_logits(FEATS)['audio'])


@pytest.mark.parametrize('kind', ['heads', 'split'])
def test_predictions_carry_the_scores_that_are_asked_for(kind):
    model = classifier(heads=True, unimodal_scores=kind).eval()
    data = batch()
    feats = model.extract_feat(data['inputs'])
    wanted = model.head_logits(feats) if kind == 'heads' else model.unimodal_logits(feats)
    for i, sample in enumerate(model(**data, mode='predict')):
        torch.testing.assert_close(sample.unimodal_scores['audio'], wanted['audio'][i].softmax(-1))


def test_one_modality_of_the_whole_model_is_trained():
    model = classifier(heads=True, only='visual')
    model.load_state_dict(classifier(heads=True).state_dict())
    assert model.modalities == ('visual', )
    data = batch()
    sum(v for k, v in model(**data, mode='loss').items() if 'loss' in k).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    assert moved == {'encoders.visual.fc.weight', 'encoders.visual.fc.bias', 'heads.visual.weight',
                     'heads.visual.bias'}
    assert moved == {name for name, p in model.named_parameters() if p.requires_grad}
    feats = model.extract_feat(data['inputs'])
    torch.testing.assert_close(model.fuse(feats), model.heads['visual'](feats['visual']))
    assert set(model.eval()(**data, mode='predict')[0].unimodal_scores) == {'visual'}


def test_frozen_parts_stay_frozen_with_one_modality():
    class Frozen(_Stub):
        def __init__(self, steps=None):
            super().__init__(steps)
            self.fc.bias.requires_grad_(False)
    MODELS.register_module(name='HeadStub', module=Frozen, force=True)
    model = classifier(heads=True, only='audio')
    assert not model.encoders['audio'].fc.bias.requires_grad and model.encoders['audio'].fc.weight.requires_grad


@pytest.mark.parametrize(('options', 'message'), [
    (dict(only='audio'), "only='audio' needs heads=True"),
    (dict(only='flow', heads=True), "only='flow' needs heads=True and one of the modalities audio, visual"),
    (dict(unimodal_scores='both'), "unimodal_scores='both' is unknown"),
])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        classifier(**options)


@pytest.mark.parametrize('fusion', ['ConcatFusion', 'FiLMFusion', 'AttentionFusion', 'MetamodalFusion'])
def test_each_time_step_is_fused_and_the_answers_averaged(fusion):
    model = classifier(fusion, steps=(6, 6), heads=True)
    data = batch()
    feats = model.extract_feat(data['inputs'])
    assert feats['audio'].shape == (3, 6, 4)
    steps = [{m: f[:, t] for m, f in feats.items()} for t in range(6)]
    torch.testing.assert_close(model.fuse(feats), torch.stack([model.fusion(s) for s in steps]).mean(0))
    heads = torch.stack([model.head_logits(s)['audio'] for s in steps]).mean(0)
    torch.testing.assert_close(model.head_logits(feats)['audio'], heads)
    losses = model(**data, mode='loss')
    assert all(value.ndim == 0 for value in losses.values())


def test_a_modality_without_steps_is_the_same_in_each():
    model = classifier(steps=(None, 6))
    feats = model.extract_feat(batch()['inputs'])
    assert feats['audio'].ndim == 2
    steps = torch.stack([model.fusion(dict(audio=feats['audio'], visual=feats['visual'][:, t])) for t in range(6)])
    torch.testing.assert_close(model.fuse(feats), steps.mean(0))


def test_samples_without_a_modality_get_zeros_in_every_step():
    model = classifier(steps=(None, 2))
    inputs = dict(batch()['inputs'], present=dict(visual=torch.tensor([True, False, True])))
    inputs['visual'] = inputs['visual'][:2]
    feats = model.extract_feat(inputs)
    assert feats['visual'].shape == (3, 2, 4) and not feats['visual'][1].any() and feats['visual'][2].any()


def test_unequal_numbers_of_steps_are_refused():
    with pytest.raises(ValueError, match=r'the features have \[2, 3\] steps'):
        fold_steps(dict(audio=torch.zeros(1, 2, 4), visual=torch.zeros(1, 3, 4)))


def test_features_without_steps_are_handed_on():
    assert over_steps(lambda f: f, FEATS) is FEATS


def test_losses_can_be_weighed_after_all_terms_are_there():
    model = classifier()
    model.add_loss_weighting('half', lambda losses: {name: value / 2 for name, value in losses.items()})
    model.add_loss_term('loss_one', lambda step: step.logits.new_ones(()))
    data = batch()
    weighed = model(**data, mode='loss')
    assert isinstance(model.step, Step) and float(weighed['loss_one']) == 0.5
    with pytest.raises(ValueError, match="the weighting 'half' is there already"):
        model.add_loss_weighting('half', dict)
    model.remove_loss_weighting('half')
    plain = model(**data, mode='loss')
    torch.testing.assert_close(plain['loss'] / 2, weighed['loss'])
