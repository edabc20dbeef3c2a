"""AGTA and DIMA against their equations, in every way that they can be computed."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope

from avmm.models.attention import recorded_maps
from avmm.models.attention.functional import drop_, kept_share
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.dmin.dmin import AGTA, DenseInterModalityAttention, bilinear_pool
from projects.dmin.dmin.location_features import LocationFeatures
from projects.dmin.dmin.recurrence import SharedInputLSTM

SIZES = dict(visual_channels=6, audio_channels=5, hidden_channels=4, factors=3)


def agta(**options) -> AGTA:
    torch.manual_seed(0)
    return AGTA(**{**SIZES, 'dropout': 0.0, **options}).double()


def features(batch: int = 2, steps: int = 3, grid=(2, 3)):
    torch.manual_seed(1)
    return (torch.randn(batch, steps, *grid, 6).double().requires_grad_(),
            torch.randn(batch, steps, 5).double().requires_grad_())


def by_equations(model: AGTA, visual, audio):
    """Location by location."""
    rows = visual.flatten(2, 3)
    gate = model.gate(rows.flatten(0, 1), audio.flatten(0, 1)).view(*audio.shape[:2], -1)
    rows = rows * (1 + gate).unsqueeze(2)
    scores = []
    for i in range(rows.shape[2]):
        y = model.visual(rows[:, :, i]).relu() * model.audio(audio).relu()
        z = F.normalize(y.unflatten(-1, (-1, model.factors)).sum(-1).relu().sqrt(), dim=-1)
        seen, heard = model.temporal_visual(rows[:, :, i]).relu(), model.temporal_audio(audio).relu()
        h = model.lstm(torch.cat([seen + heard, heard], -1).transpose(0, 1))[0].transpose(0, 1)
        scores.append(model.score(h + z).tanh())
    alpha = torch.cat(scores, -1).softmax(-1)
    return (alpha.unsqueeze(-1) * rows).sum(2), alpha, gate


def gradients(out, visual, audio, model):
    leaves = [visual, audio, *model.parameters()]
    return torch.autograd.grad(out.square().sum(), leaves)


@pytest.mark.parametrize('recompute', [False, True])
@pytest.mark.parametrize(('batch', 'steps', 'grid'), [(2, 3, (2, 3)), (1, 1, (1, 1)), (3, 1, (2, 2)), (1, 4, (3, 1))])
def test_agta_by_its_equations(recompute, batch, steps, grid):
    model = agta(recompute=recompute)
    visual, audio = features(batch, steps, grid)
    with recorded_maps({'': model}) as maps:
        out = model(visual, audio)
    expected, alpha, gate = by_equations(model, visual, audio)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(maps['spatial'].flatten(2), alpha.detach())
    torch.testing.assert_close(maps['channel'], gate.detach())
    for ours, theirs in zip(gradients(out, visual, audio, model), gradients(expected, visual, audio, model),
                            strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-7)


def test_agta_under_autocast_and_without_gradients():
    model, (visual, audio) = agta().float(), (x.detach().float() for x in features())
    expected = model(visual, audio)
    with torch.no_grad():
        torch.testing.assert_close(model(visual, audio), expected)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        torch.testing.assert_close(model(visual, audio).float(), expected, atol=0.05, rtol=0.05)


def test_gradients_of_both_biases_do_not_share_memory():
    model, (visual, audio) = agta(), features()
    model(visual, audio).sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-6)
    assert model.lstm.bias_ih_l0.grad.norm() > 0
    torch.testing.assert_close(model.lstm.bias_ih_l0.grad, model.lstm.bias_hh_l0.grad)


def test_odd_width_is_refused():
    with pytest.raises(ConfigError, match='AGTA.hidden_channels is 5; it must be even'):
        AGTA(hidden_channels=5)


@pytest.mark.parametrize('recompute', [False, True])
def test_recomputed_products_are_dropped_alike(recompute):
    """The same seed gives the same output and gradients, whether or not the products are kept."""
    model, (visual, audio) = agta(dropout=0.5), features()
    torch.manual_seed(5)
    kept = gradients(model(visual, audio), visual, audio, model)
    model.recompute = recompute
    torch.manual_seed(5)
    again = gradients(model(visual, audio), visual, audio, model)
    for a, b in zip(kept, again, strict=True):
        torch.testing.assert_close(a, b)
    torch.manual_seed(6)
    other = model(visual, audio)
    torch.manual_seed(5)
    assert not torch.allclose(model(visual, audio), other)


def test_share_of_dropped_products():
    values = torch.ones(50, 1001)
    drop_(values, 0.1, torch.Generator().manual_seed(0))
    assert abs(values.mean().item() - kept_share(values, 0.1)) < 0.005
    assert abs(kept_share(values, 0.1) - 0.9) < 1e-5
    assert set(values.unique().tolist()) == {0.0, 1.0}


def test_gradient_is_zero_where_a_group_is_zero():
    visual = torch.rand(3, 10).double()
    visual[0], visual[1, :5] = 0, 0
    visual.requires_grad_()
    out = bilinear_pool(visual, torch.rand(3, 10).double())
    out.sum().backward()
    assert torch.isfinite(visual.grad).all()
    assert not visual.grad[0].any() and not visual.grad[1, :5].any() and visual.grad[2].all()
    # The same in the fused form: weights that make every product of one location zero.
    x = torch.rand(2, 3, 4).double()
    x[:, 0] = 0
    arguments = [x, torch.ones(2, 4), torch.rand(2, 2, 3), torch.rand(8, 4), torch.zeros(8)]
    leaves = [t.double().requires_grad_() for t in arguments]
    bilinear, plain = LocationFeatures.apply(*leaves, 1, 0.0, False)
    (bilinear.sum() + plain.sum()).backward()
    assert not bilinear[:, 0].any()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)
    torch.testing.assert_close(bilinear.norm(dim=-1)[:, 1:], torch.ones(2, 2).double())


def test_fused_layers_have_the_gradients_of_finite_differences():
    torch.manual_seed(3)
    x, gain = torch.rand(4, 2, 3).double() + 0.5, torch.rand(4, 3).double() + 1
    sound, weight = torch.rand(4, 2, 2).double() + 0.1, torch.rand(6, 3).double()
    leaves = [t.requires_grad_() for t in (x, gain, sound, weight, torch.rand(6).double())]
    for recompute in (False, True):
        torch.autograd.gradcheck(lambda *t, r=recompute: LocationFeatures.apply(*t, 2, 0.0, r), leaves)
    leaves = [torch.randn(shape).double().requires_grad_() for shape in ((3, 2, 2, 3), (3, 2, 16), (16, 3), (2, 8, 2))]
    for recompute in (False, True):
        torch.autograd.gradcheck(lambda *t, r=recompute: SharedInputLSTM.apply(*t, r), leaves)


def turned(query, key, lam):
    """Scores of one head as the paper defines them: a mean over cyclic shifts."""
    d = query.shape[-1]
    shares = [lam, *[(1 - lam) / (d - 1)] * (d - 1)]
    return sum(w * torch.roll(query, -r, -1) @ key.transpose(-2, -1) for r, w in enumerate(shares)) / d


@pytest.mark.parametrize('lam', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('length', [3, 5, 4])
@pytest.mark.parametrize('split', ['half', 'cross'])
def test_dense_attention_by_its_definition(lam, length, split):
    torch.manual_seed(0)
    attention = DenseInterModalityAttention(8, 2, 0.0, lam=lam, split=split).double()
    query, memory = torch.randn(2, 3, 8).double(), torch.randn(2, length, 8).double()
    both = torch.cat([memory, query], 1)
    with recorded_maps(dict(dense=attention)) as maps:
        out = attention(query, both, num_cross=length)
    q, k, v = (F.linear(x, w, b).unflatten(-1, (2, 4)).transpose(1, 2) for x, w, b in zip(
        (query, both, both), attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True))
    q = q / 2
    count = length if split == 'cross' else -(-both.shape[1] // 2)
    scores = torch.cat([turned(q, k[:, :, :count], lam), q @ k[:, :, count:].transpose(-2, -1)], -1).softmax(-1)
    torch.testing.assert_close(out, attention.out_proj((scores @ v).transpose(1, 2).flatten(2)))
    torch.testing.assert_close(maps['dense'], scores.mean(1).detach())


@pytest.mark.parametrize(('options', 'message'), [
    (dict(lam=1.5), 'lam is 1.5; it must be from 0 to 1'),
    (dict(split='all'), "split is 'all'; it must be 'half' or 'cross'"),
    (dict(channels=4, num_heads=4), 'a head needs at least two channels'),
    (dict(channels=5, num_heads=4), 'cannot be divided')])
def test_dense_attention_refuses(options, message):
    with pytest.raises(ConfigError, match=message):
        DenseInterModalityAttention(**options)


def test_dense_attention_asks_for_the_number_of_keys():
    attention = DenseInterModalityAttention(8, 2, split='cross')
    with pytest.raises(ConfigError, match='num_cross'):
        attention(torch.rand(1, 2, 8), torch.rand(1, 4, 8))


def test_decoder_takes_the_dense_attention():
    cfg = dict(type='CrossModalDecoder', in_channels=5, channels=8, hidden_channels=16, dropout=0.3,
               attention=dict(type='DenseInterModalityAttention', num_heads=2))
    with DefaultScope.overwrite_default_scope('avmm'):
        decoder = MODELS.build(cfg).eval()
    assert decoder.layers[0].attention.dropout == 0.3
    assert decoder(torch.rand(2, 3, 5), torch.rand(2, 4, 8)).shape == (2, 3, 8)
