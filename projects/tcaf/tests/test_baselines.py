"""The methods that TCAF is compared with: what their options do, their steps, a run of the generative one."""
from __future__ import annotations

import math

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch.nn import functional as F

from avmm.structures import AVDataSample
from avmm.testing import build_toy_runner
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.models import APN, CJME, FVAEGAN, AVGZSLNet, BilinearCompatibility, ranking_loss
from projects.tcaf.tests.toy_gzsl import toy_gzsl_config

WIDTHS = dict(audio=6, visual=8)
METHODS = [(CJME, {}), (AVGZSLNet, {}), (APN, {}), (BilinearCompatibility, dict(ranking='ale')), (FVAEGAN, {})]


def words_of(count: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 300, generator=torch.Generator().manual_seed(3)))


def clips(labels, words, seed=0) -> dict:
    generator = torch.Generator().manual_seed(seed)
    inputs = {m: torch.rand(len(labels), d, generator=generator) for m, d in WIDTHS.items()}
    return dict(inputs, word=words[torch.tensor(labels)])


def batch_of(labels=(0, 1, 2, 3), others=(1, 2, 3, 0), classes=4) -> dict:
    words = words_of(classes)
    inputs = dict(clips(labels, words), negative=clips(others, words, seed=1))
    return dict(inputs=inputs, data_samples=[AVDataSample().set_gt_label(label) for label in labels])


def model_of(kind, classes=4, **options):
    torch.manual_seed(0)
    model = kind(WIDTHS, **options)
    model.set_classes(words_of(classes), range(classes))
    return model


@pytest.mark.parametrize(('kind', 'options'), METHODS)
def test_steps_lower_the_loss(kind, options):
    model = model_of(kind, **options)
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3)))
    model.train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    losses = [model.train_step(batch_of(), wrapper)['loss'].item() for _ in range(30)]
    assert all(math.isfinite(value) for value in losses)
    assert min(losses[-5:]) < losses[0]
    # What a critic adds to every score has no part in a difference of scores.
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters()
               if not name.endswith('critic.out.bias'))


@pytest.mark.parametrize('kind', [CJME, AVGZSLNet])
def test_pairs_are_needed(kind):
    batch = batch_of()
    del batch['inputs']['negative']
    with pytest.raises(DataError, match=f'{kind.__name__} compares each clip with one of another class'):
        model_of(kind).train()(**batch, mode='loss')


@pytest.mark.parametrize(('kind', 'options', 'message'), [
    (CJME, dict(pairs_of_loss='some'), "pairs_of_loss='some' is unknown; use 'all' or 'own'"),
    (AVGZSLNet, dict(distance='l1'), "distance='l1' is unknown; use 'l2' or 'squared'"),
    (BilinearCompatibility, dict(ranking='eszsl'), "ranking='eszsl' is unknown; use one of devise, ale, sje"),
])
def test_unknown_options_are_refused(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        kind(WIDTHS, **options)


@pytest.mark.parametrize('kind', [CJME, APN, FVAEGAN])
def test_both_modalities_are_needed(kind):
    with pytest.raises(ConfigError, match='in_channels has audio; it takes both audio and visual'):
        kind(dict(audio=6))


def test_cjme_believes_one_modality():
    model, batch = model_of(CJME).eval(), batch_of()
    with torch.no_grad():
        model.attention[1].weight.mul_(0)
        for bias, mode in ((4.0, 'visual'), (-4.0, 'audio')):
            model.attention[1].bias.fill_(bias)
            found = model.distances(batch['inputs'])
            assert torch.equal(found['both'], found[mode])


def test_cjme_pairs_every_attention_with_every_loss_unless_told_otherwise():
    batch = batch_of()
    with torch.no_grad():
        terms = {pairs: model_of(CJME, pairs_of_loss=pairs).eval()(**batch, mode='loss') for pairs in ('all', 'own')}
        model = model_of(CJME).eval()
        ours, others = model.pairs(batch['inputs'])
        w = model.attend(batch['inputs'])
        a, v = (F.triplet_margin_loss(ours['word'], ours[m], others[m], reduction='none') for m in ('audio', 'visual'))
    expected = torch.stack([(1 - w[i]) * a[j] + w[i] * v[j] for i in range(4) for j in range(4)]).mean()
    assert torch.allclose(terms['all']['loss_triplet'], expected)
    assert torch.allclose(terms['own']['loss_triplet'], ((1 - w[:, 0]) * a + w[:, 0] * v).mean())
    assert torch.equal(terms['all']['loss_attention'], terms['own']['loss_attention'])


def test_avgzslnet_adds_up_distances():
    model, batch = model_of(AVGZSLNet).eval(), batch_of()
    found = model.distances(batch['inputs'])
    assert torch.allclose(found['both'], found['audio'] + found['visual'])
    lengths = model.decode(model.extract_feat(batch['inputs'])['audio']).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(4))


def test_ranking_losses_by_hand():
    scores, rows = torch.tensor([[1.0, 1.05, 0.2], [0.0, 2.0, 1.95]]), torch.tensor([0, 1])
    # Costs: 0.15 and 0; 0 and 0.05.
    assert torch.isclose(ranking_loss(scores, rows, 'devise'), torch.tensor(0.2 / 2))
    assert torch.isclose(ranking_loss(scores, rows, 'sje'), torch.tensor(0.2 / 2))
    wide = torch.tensor([[0.0, 0.2, 0.4]])
    # Two positive costs, 0.3 and 0.5: beta_2 / 2 = 0.75.
    assert torch.isclose(ranking_loss(wide, torch.tensor([0]), 'ale'), torch.tensor(0.75 * 0.8))
    assert torch.isclose(ranking_loss(wide, torch.tensor([0]), 'sje'), torch.tensor(0.5))


def test_linear_models_split_into_modalities():
    model, batch = model_of(APN, normalize=True).eval(), batch_of()
    feats = model.extract_feat(batch['inputs'])
    assert torch.allclose(model.join(feats).norm(dim=1), torch.ones(4))
    alone = model.unimodal_logits(feats)
    assert torch.allclose(alone['audio'] + alone['visual'], model.fuse(feats), atol=1e-6)


def test_class_words_are_dropped_by_option_only():
    batch = batch_of()
    dropped = model_of(BilinearCompatibility, dropout=0.5, word_dropout=True).train()
    kept = model_of(BilinearCompatibility, dropout=0.5, word_dropout=False).train()
    seen = []
    for model in (dropped, kept):
        hook = model.dropout.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
        model(**batch, mode='loss')
        hook.remove()
    assert seen == [4, 4, 4]


def test_apn_without_the_second_softmax():
    batch = batch_of()
    with torch.no_grad():
        model = model_of(APN, double_softmax=False).eval()
        model.final.copy_(torch.randn(model.final.shape)), model.prototypes.zero_()
        scores = model.fuse(model.extract_feat(batch['inputs']))
        found = model(**batch, mode='loss')['loss_ce']
    assert torch.isclose(found, F.cross_entropy(scores, torch.arange(4)) + math.log(4))


def test_fvaegan_updates_critics_and_generator_apart():
    model, batch = model_of(FVAEGAN), batch_of()
    seen = []
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-6)))

    def note(*_) -> None:
        seen.append({name for name, p in model.named_children() if any(x.grad is not None for x in p.parameters())})

    wrapper.optimizer.register_step_pre_hook(note)
    model.train().train_step(batch, wrapper)
    assert seen == [{'critic', 'free_critic'}, {'encoder', 'generator'}]


def test_fvaegan_has_no_answer_without_its_classifier():
    model, batch = model_of(FVAEGAN).eval(), batch_of()
    with pytest.raises(ConfigError, match='train it with fit_classifier, or with GeneratedFeaturesHook'):
        model.distances(batch['inputs'])
    features = model.join(model.extract_feat(batch['inputs']))
    model.fit_classifier(features[:2].repeat(20, 1), [0, 1] * 20, [2, 3], count=20, epochs=200, lr=1e-2)
    assert model.distances(batch['inputs'])['both'][:2].argmin(1).tolist() == [0, 1]
    values = iter([1.0, 3.0, 2.0])
    model.fit_classifier(features, [0, 1, 2, 3], [], epochs=3, judge=lambda: next(values))
    kept = model._classifier
    model.fit_classifier(features, [0, 1, 2, 3], [], epochs=2)
    assert all(torch.equal(a, b) for a, b in zip(kept, model._classifier, strict=True))


@pytest.mark.parametrize('select', ['last', 'best'])
def test_a_run_of_fvaegan(tmp_path, select):
    model = dict(type='FVAEGAN', in_channels=dict(audio=10, visual=12), gan_weight=10.0)
    hook = dict(type='GeneratedFeaturesHook', count=20, epochs=3, select=select)
    cfg = toy_gzsl_config(tmp_path)
    cfg.model, cfg.custom_hooks = model, [*cfg.get('custom_hooks', []), hook]
    cfg.val_cfg = dict(type='ZeroShotValLoop', loss=None)
    runner = build_toy_runner(cfg)
    runner.train()
    assert {path.name for path in tmp_path.glob('stage2_epoch_*.pth')}


def test_unknown_selection_is_refused():
    from projects.tcaf.tcaf.training import GeneratedFeaturesHook
    with pytest.raises(ConfigError, match="select='first' is unknown; use 'last' or 'best'"):
        GeneratedFeaturesHook(select='first')
