"""Encoder, decoder and interaction, against the transformer layers of torch."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from avmm.models.attention import MultiheadAttention
from avmm.models.localizers.feed_forward import Dropout, FeedForward
from avmm.registry import MODELS


def copy_layer(layer, theirs: nn.TransformerEncoderLayer) -> None:
    theirs.self_attn.load_state_dict(layer.attention.state_dict())
    for ours, name in ((layer.norm, 'norm1'), (layer.feed_forward.norm, 'norm2'),
                       (layer.feed_forward.linear1, 'linear1'), (layer.feed_forward.linear2, 'linear2')):
        getattr(theirs, name).load_state_dict(ours.state_dict())


def test_encoder_is_a_stack_of_post_norm_layers():
    torch.manual_seed(0)
    encoder = MODELS.build(dict(type='TemporalEncoder', in_channels=6, channels=8, num_heads=2, hidden_channels=16))
    encoder.eval()
    x = torch.rand(3, 5, 6)
    expected = encoder.affine(x)
    for layer in encoder.layers:
        theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        copy_layer(layer, theirs)
        expected = theirs(expected)
    torch.testing.assert_close(encoder(x), expected)


@pytest.mark.parametrize('kind', ['TemporalEncoder', 'CrossModalDecoder'])
def test_layers_of_a_stack_start_alike_and_learn_for_themselves(kind):
    stack = MODELS.build(dict(type=kind, in_channels=6, channels=8, num_layers=3))
    first, second, third = (dict(layer.named_parameters()) for layer in stack.layers)
    for name, value in first.items():
        assert torch.equal(value, second[name]) and torch.equal(value, third[name])
        assert value.data_ptr() != second[name].data_ptr()


def test_decoder_gathers_from_the_memory_and_the_queries():
    torch.manual_seed(0)
    decoder = MODELS.build(dict(type='CrossModalDecoder', in_channels=6, channels=8, hidden_channels=16,
                                attention=dict(type='MultiheadAttention', num_heads=2))).eval()
    query, memory = torch.rand(2, 4, 6), torch.rand(2, 3, 8)
    layer, = decoder.layers
    q = decoder.affine(query)
    both = torch.cat([memory, q], 1)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    theirs.load_state_dict(layer.attention.state_dict())
    expected = layer.norm(q + theirs(q, both, both)[0])
    expected = layer.feed_forward.norm(expected + layer.feed_forward.linear2(
        layer.feed_forward.linear1(expected).relu()))
    torch.testing.assert_close(decoder(query, memory), expected)


@MODELS.register_module()
class RecordingAttention(MultiheadAttention):
    """Remembers what a decoder tells it about its keys."""

    def project_keys(self, keys, num_cross):
        self.seen = num_cross, tuple(keys.shape)
        return keys


def test_attention_of_a_decoder_comes_from_its_config():
    decoder = MODELS.build(dict(type='CrossModalDecoder', in_channels=6, channels=8, dropout=0.02,
                                attention=dict(type='RecordingAttention', num_heads=2)))
    decoder(torch.rand(2, 4, 6), torch.rand(2, 3, 8))
    attention = decoder.layers[0].attention
    assert attention.seen == (3, (2, 2, 7, 4)) and attention.dropout == 0.02


def test_interaction_asks_with_the_product():
    torch.manual_seed(0)
    interaction = MODELS.build(dict(type='AVInteraction', channels=8, num_heads=2)).eval()
    audio, visual = torch.rand(2, 4, 8), torch.rand(2, 4, 8)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    theirs.load_state_dict(interaction.attention.state_dict())
    product, memory = audio * visual, torch.cat([audio, visual], 1)
    expected = interaction.norm(product + theirs(product, memory, memory)[0])
    torch.testing.assert_close(interaction(dict(visual=visual, audio=audio)), expected)


def test_dropout_acts_in_training_alone():
    block = FeedForward(8, 16, dropout=0.5)
    x = torch.rand(2, 3, 8)
    torch.manual_seed(0)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))
    assert Dropout(0.5).eval()(x) is x
