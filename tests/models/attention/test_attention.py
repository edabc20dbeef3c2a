"""Multi-head attention against torch's, the channel gate against its equation, and the record of maps."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from avmm.models.attention import ChannelGate, MultiheadAttention, recorded_maps
from avmm.registry import MODELS
from avmm.utils import ConfigError


@pytest.fixture
def pair() -> tuple[MultiheadAttention, nn.MultiheadAttention]:
    torch.manual_seed(0)
    ours = MODELS.build(dict(type='MultiheadAttention', channels=12, num_heads=3, dropout=0.0)).double()
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    nn.init.normal_(ours.in_proj_bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize('own_memory', [True, False])
def test_is_the_attention_of_torch(pair, own_memory):
    ours, theirs = pair
    query = torch.randn(2, 4, 12, dtype=torch.float64)
    memory = query if own_memory else torch.randn(2, 7, 12, dtype=torch.float64)
    with recorded_maps({'': ours}) as maps:
        out = ours(query, memory)
    expected, weights = theirs(query, memory, memory)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(maps[''], weights)
    out.square().sum().backward()
    expected.square().sum().backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_initial_values_are_those_of_torch():
    torch.manual_seed(0)
    ours, theirs = MultiheadAttention(256, 4), nn.MultiheadAttention(256, 4)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert p.shape == q.shape
        assert p.std().item() == pytest.approx(q.std().item(), rel=0.02), name
        assert p.abs().max().item() == pytest.approx(q.abs().max().item(), rel=0.02), name


def test_weights_are_dropped_in_training_alone():
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2, dropout=0.5)
    x = torch.rand(2, 5, 8)
    assert not torch.equal(attention(x, x), attention(x, x))
    attention.eval()
    assert torch.equal(attention(x, x), attention(x, x))


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match='channels=10 cannot be divided among num_heads=4'):
        MultiheadAttention(10, 4)


def test_channel_gate_by_its_equation():
    torch.manual_seed(0)
    gate = ChannelGate(6, 4, 5)
    cells, audio = torch.randn(3, 9, 6), torch.randn(3, 4)
    joint = torch.stack([(gate.audio(audio).relu() * gate.visual(cells[:, i]).relu()) for i in range(9)])
    expected = torch.sigmoid(gate.excite(gate.squeeze(joint.mean(0)).relu()))
    torch.testing.assert_close(gate(cells, audio), expected)


def test_maps_are_kept_only_while_they_are_asked_for():
    attention = MultiheadAttention(8, 2, dropout=0.0)
    x = torch.rand(1, 3, 8)
    with recorded_maps(dict(first=attention)) as maps:
        assert attention.asked
        attention(x, x)
    assert list(maps) == ['first'] and not maps['first'].requires_grad
    torch.testing.assert_close(maps['first'].sum(-1), torch.ones(1, 3))
    attention(x + 1, x)
    assert not attention.asked and list(maps) == ['first']


def test_an_error_ends_the_record():
    attention = MultiheadAttention(8, 2)
    with pytest.raises(RuntimeError), recorded_maps(dict(first=attention)):
        attention(torch.rand(1, 3, 7), torch.rand(1, 3, 7))
    assert not attention.asked
