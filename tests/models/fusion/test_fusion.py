"""Every registered fusion, and what is particular to each."""
from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

import avmm.models.fusion as fusions
from avmm.models.fusion import Fusion, SumFusion
from avmm.registry import MODELS
from avmm.utils import ConfigError

WIDTH, CLASSES, BATCH = 16, 5, 4
TWO = dict(audio=WIDTH, visual=WIDTH)
MODELS.import_from_location()
NAMES = sorted(name for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('avmm.models.fusion'))
ANY_NUMBER = ['ConcatFusion', 'SumFusion', 'LateFusion', 'AttentionFusion']


def _build(name: str, in_channels: dict | None = None, **options) -> Fusion:
    torch.manual_seed(0)
    return MODELS.build(dict(type=name, in_channels=in_channels or TWO, num_classes=CLASSES, **options))


def _feats(in_channels: dict | None = None, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(BATCH, width, generator=generator, requires_grad=True)
            for m, width in (in_channels or TWO).items()}


def test_every_fusion_of_the_package_is_registered():
    public = {name for name, value in vars(fusions).items() if isinstance(value, type) and issubclass(value, Fusion)}
    assert public - {'Fusion'} == set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_forward_and_backward(name):
    fusion, feats = _build(name), _feats()
    logits = fusion(feats)
    assert logits.shape == (BATCH, CLASSES)
    extra = sum(fusion.extra_losses(feats).values())
    (F.cross_entropy(logits, torch.arange(BATCH)) + extra).backward()
    assert all(f.grad is not None and f.grad.abs().sum() > 0 for f in feats.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in fusion.parameters())


@pytest.mark.parametrize('name', NAMES)
def test_unimodal_logits_depend_on_the_features_of_their_modality(name):
    fusion, feats = _build(name), _feats()
    alone = fusion.unimodal_logits(feats)
    assert list(alone) == ['audio', 'visual']
    assert all(z.shape == (BATCH, CLASSES) for z in alone.values())
    moved = fusion.unimodal_logits({**feats, 'audio': feats['audio'] + 1})
    assert not torch.allclose(moved['audio'], alone['audio'])
    if name != 'AttentionFusion':  # its weights see both modalities
        torch.testing.assert_close(moved['visual'], alone['visual'])


@pytest.mark.parametrize('name', NAMES)
def test_state_dict_round_trip(name):
    fusion, feats = _build(name), _feats()
    other = _build(name)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    assert not torch.allclose(other(feats), fusion(feats))
    other.load_state_dict(fusion.state_dict())
    torch.testing.assert_close(other(feats), fusion(feats), rtol=0, atol=0)


@pytest.mark.parametrize('name', NAMES)
def test_the_order_of_the_features_does_not_matter(name):
    fusion, feats = _build(name), _feats()
    torch.testing.assert_close(fusion(dict(reversed(feats.items()))), fusion(feats), rtol=0, atol=0)


@pytest.mark.parametrize('name', NAMES)
def test_an_absent_modality_leaves_an_answer(name):
    fusion, feats = _build(name), _feats()
    logits = fusion({'visual': feats['visual']})
    assert logits.shape == (BATCH, CLASSES)
    assert list(fusion.unimodal_logits({'visual': feats['visual']})) == ['visual']


@pytest.mark.parametrize('name', NAMES)
def test_an_unknown_modality_is_refused(name):
    with pytest.raises(ValueError, match=f'{name} fuses audio, visual; it was given audio, touch'):
        _build(name)({'audio': torch.zeros(1, WIDTH), 'touch': torch.zeros(1, WIDTH)})


@pytest.mark.parametrize('name', NAMES)
def test_config_initialisation(name):
    init = dict(type='Xavier', layer='Linear', distribution='normal', bias=0)
    fusion = _build(name, init_cfg=init)
    fusion.init_weights()
    assert all(p.abs().sum() == 0 for n, p in fusion.named_parameters() if n.endswith('bias'))


@pytest.mark.parametrize('name', ANY_NUMBER)
def test_three_modalities(name):
    widths = dict(audio=WIDTH, flow=WIDTH, visual=WIDTH)
    fusion, feats = _build(name, widths), _feats(widths)
    assert fusion(feats).shape == (BATCH, CLASSES)
    assert list(fusion.unimodal_logits(feats)) == ['audio', 'flow', 'visual']


@pytest.mark.parametrize('name', ['ConcatFusion', 'SumFusion'])
def test_modalities_of_different_width(name):
    widths = dict(audio=3, flow=7, visual=5)
    fusion, feats = _build(name, widths), _feats(widths)
    torch.testing.assert_close(sum(fusion.unimodal_logits(feats).values()), fusion(feats))


@pytest.mark.parametrize('name', sorted(set(NAMES) - set(ANY_NUMBER)))
def test_a_fusion_of_two_refuses_three(name):
    with pytest.raises(ConfigError, match=f'{name}: in_channels names 3 modalities .*this fusion joins 2'):
        _build(name, dict(a=4, b=4, c=4))


@pytest.mark.parametrize('name', ['AttentionFusion', 'MetamodalFusion'])
def test_unequal_widths_are_refused(name):
    with pytest.raises(ConfigError, match=f'{name}: in_channels are audio=4, visual=6, .*equal widths'):
        _build(name, dict(audio=4, visual=6))


def test_no_modality_is_refused():
    with pytest.raises(ConfigError, match='ConcatFusion: in_channels names no modality'):
        fusions.ConcatFusion({}, CLASSES)


def test_concat_splits_weight_and_bias():
    fusion, feats = _build('ConcatFusion'), _feats()
    weight, bias = fusion.fc_out.weight, fusion.fc_out.bias
    alone = fusion.unimodal_logits(feats)
    torch.testing.assert_close(alone['audio'], feats['audio'] @ weight[:, :WIDTH].T + bias / 2)
    torch.testing.assert_close(alone['visual'], feats['visual'] @ weight[:, WIDTH:].T + bias / 2)


def test_concat_order_is_that_of_the_channels():
    fusion, feats = _build('ConcatFusion', dict(visual=WIDTH, audio=WIDTH)), _feats()
    expected = fusion.fc_out(torch.cat([feats['visual'], feats['audio']], dim=1))
    torch.testing.assert_close(fusion(feats), expected, rtol=0, atol=0)


def test_sum_halves_the_bias_in_evaluation_only():
    full, half = _build('SumFusion'), _build('SumFusion', eval_bias='half')
    feats = _feats()
    torch.testing.assert_close(half.unimodal_logits(feats), full.unimodal_logits(feats))
    full.eval(), half.eval()
    gap = full.unimodal_logits(feats)['audio'] - half.unimodal_logits(feats)['audio']
    torch.testing.assert_close(gap, (full.fc['audio'].bias / 2).expand_as(gap))
    torch.testing.assert_close(half(feats), full(feats), rtol=0, atol=0)


def test_sum_refuses_another_share():
    with pytest.raises(ConfigError, match="eval_bias='none' is unknown; use 'full' or 'half'"):
        SumFusion(TWO, CLASSES, eval_bias='none')


@pytest.mark.parametrize(('name', 'option'), [('FiLMFusion', 'condition'), ('GatedFusion', 'gate')])
def test_the_leading_modality_is_an_option(name, option):
    feats = _feats()
    first, second = _build(name, **{option: 'audio'}), _build(name, **{option: 'visual'})
    exchanged = {'audio': feats['visual'], 'visual': feats['audio']}
    if name == 'GatedFusion':
        swapped = {k.replace('audio', 'x').replace('visual', 'audio').replace('x', 'visual'): v
                   for k, v in first.state_dict().items() if '.audio' in k or '.visual' in k}
        second.load_state_dict({**first.state_dict(), **swapped})
    torch.testing.assert_close(second(exchanged), first(feats))
    with pytest.raises(ConfigError, match=f"{name}: {option}='touch' is no modality"):
        _build(name, **{option: 'touch'})


def test_film_with_different_widths():
    widths = dict(audio=3, visual=7)
    fusion, feats = _build('FiLMFusion', widths), _feats(widths)
    gamma, beta = fusion.fc(feats['audio']).split(7, dim=1)
    torch.testing.assert_close(fusion(feats), fusion.fc_out(gamma * feats['visual'] + beta))


@pytest.mark.parametrize('name', ['FiLMFusion', 'GatedFusion'])
def test_alone_means_the_other_at_zero(name):
    fusion, feats = _build(name), _feats()
    zeroed = {**feats, 'audio': torch.zeros(BATCH, WIDTH)}
    torch.testing.assert_close(fusion.unimodal_logits(feats)['visual'], fusion(zeroed), rtol=0, atol=0)
    torch.testing.assert_close(fusion({'visual': feats['visual']}), fusion(zeroed), rtol=0, atol=0)


def test_unimodal_logits_do_not_run_hooks_of_the_fusion():
    fusion, calls = _build('GatedFusion'), []
    fusion.register_forward_hook(lambda *_: calls.append(1))
    fusion.unimodal_logits(_feats())
    assert not calls


def test_attention_splits_the_weighted_features():
    fusion, feats = _build('AttentionFusion'), _feats()
    torch.testing.assert_close(sum(fusion.unimodal_logits(feats).values()), fusion(feats))


def test_late_fusion_averages_what_is_there():
    fusion, feats = _build('LateFusion'), _feats()
    alone = fusion.unimodal_logits(feats)
    torch.testing.assert_close(fusion(feats), (alone['audio'] + alone['visual']) / 2)
    torch.testing.assert_close(fusion({'visual': feats['visual']}), alone['visual'])


def test_metamodal_unimodal_logits_have_the_whole_bias_and_no_gradient():
    fusion, feats = _build('MetamodalFusion'), _feats()
    shared = fusion.fc_meta(feats['visual'])
    expected = fusion.fc_out(torch.cat([torch.zeros_like(shared), shared], dim=1))
    alone = fusion.unimodal_logits(feats)['visual']
    torch.testing.assert_close(alone, expected.detach())
    assert not alone.requires_grad


def test_metamodal_discriminator_is_a_probability_of_the_second_modality():
    fusion, feats = _build('MetamodalFusion'), _feats()
    found = fusion.discriminate(feats)
    losses = fusion.extra_losses(feats)
    assert found['audio'].shape == (BATCH, )
    torch.testing.assert_close(losses['loss_discriminator_audio'],
                               F.binary_cross_entropy(found['audio'], torch.zeros(BATCH)))
    torch.testing.assert_close(losses['loss_discriminator_visual'],
                               F.binary_cross_entropy(found['visual'], torch.ones(BATCH)))


def test_metamodal_gradient_is_reversed_below_the_discriminator():
    fusion, feats = _build('MetamodalFusion', reversal=2.0), _feats()
    plain = copy.deepcopy(fusion)
    sum(fusion.extra_losses(feats).values()).backward()
    # The same loss without reversal.
    losses = [F.binary_cross_entropy_with_logits(plain.discriminator_fc(plain.fc_meta(f)).squeeze(1),
                                                 torch.full((BATCH, ), float(i)))
              for i, f in enumerate(feats.values())]
    sum(losses).backward()
    torch.testing.assert_close(fusion.discriminator_fc.weight.grad, plain.discriminator_fc.weight.grad)
    torch.testing.assert_close(fusion.fc_meta.weight.grad, -2 * plain.fc_meta.weight.grad)
