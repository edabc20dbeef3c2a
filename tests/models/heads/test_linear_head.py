"""The classifier of one modality."""
from __future__ import annotations

import pytest
import torch

from avmm.models.heads import LinearHead
from avmm.registry import MODELS
from avmm.utils import ConfigError


def test_it_is_a_linear_layer():
    head = MODELS.build(dict(type='LinearHead', in_channels=dict(audio=8), num_classes=3))
    feat = torch.randn(4, 8)
    logits = head({'audio': feat})
    torch.testing.assert_close(logits, feat @ head.fc_out.weight.T + head.fc_out.bias)
    torch.testing.assert_close(head.unimodal_logits({'audio': feat})['audio'], logits)


def test_dropout_acts_in_training_only():
    head = LinearHead(dict(visual=64), 3, dropout=0.5)
    feats = {'visual': torch.ones(2, 64)}
    assert not torch.equal(head(feats), head(feats))
    head.eval()
    assert torch.equal(head(feats), head(feats))


def test_two_modalities_are_refused():
    with pytest.raises(ConfigError, match='LinearHead: in_channels names 2 modalities'):
        LinearHead(dict(audio=8, visual=8), 3)
