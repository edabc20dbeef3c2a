"""The base of zero-shot models: classes, distances, the pass after the update."""
from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.models import EmbeddingNet, GZSLModel, triplet


class Projections(GZSLModel):
    """The smallest model: a linear layer a modality."""

    def __init__(self, **options):
        super().__init__(**options)
        self.nets = nn.ModuleDict({m: EmbeddingNet(6, 4) for m in ('audio', 'visual', 'word')})

    def branch(self, modality):
        return self.nets[modality]

    def extract_feat(self, inputs):
        return {m: self.nets[m](inputs[m]) for m in self.modalities}

    def embed_feats(self, feats):
        return dict(feats, both=feats['audio'] + feats['visual'])

    def embed_classes(self, words):
        return dict.fromkeys(('audio', 'visual', 'both'), self.nets['word'](words))

    def unimodal_logits(self, feats):
        return {m: self.class_scores(feats[m], m) for m in self.modalities}

    def loss(self, inputs, data_samples):
        feats = self.extract_feat(inputs)
        logits, rows = self.fuse(feats), self.class_rows(data_samples)
        return self.finish_step(feats, logits, rows, {'loss': nn.functional.cross_entropy(logits, rows)}, data_samples)


def batch_of(size=5):
    torch.manual_seed(0)
    inputs = {m: torch.rand(size, 6) for m in ('audio', 'visual', 'word')}
    samples = [AVDataSample(metainfo=dict(sample_id=f'clip_{i}')).set_gt_label((3, 8)[i % 2]) for i in range(size)]
    return dict(inputs=inputs, data_samples=samples)


def model_of(**options):
    torch.manual_seed(0)
    model = Projections(**options)
    model.set_classes(torch.rand(3, 6), [3, 5, 8])
    return model


def test_predictions_hold_distances_of_every_mode():
    model, batch = model_of().eval(), batch_of()
    samples = model.test_step(batch)
    assert {m: d.shape for m, d in samples[0].gzsl_distances.items()} == dict.fromkeys(
        ('audio', 'visual', 'both'), torch.Size([3]))
    with torch.no_grad():
        expected = (model.embed(batch['inputs'])['both'][1] - model.embed_classes(model.class_words)['both'][2]).norm()
    torch.testing.assert_close(samples[1].gzsl_distances['both'][2], expected)
    assert model(batch['inputs']).shape == (5, 4)


def test_classes_are_rows_and_no_part_of_a_checkpoint():
    model = model_of()
    assert model.class_rows(batch_of()['data_samples']).tolist() == [0, 2, 0, 2, 0]
    assert not [name for name in model.state_dict() if 'class' in name]
    stranger = AVDataSample(metainfo=dict(sample_id='odd')).set_gt_label(4)
    with pytest.raises(DataError, match='sample odd is of class 4, which is not among the 3 classes'):
        model.class_rows([stranger])
    with pytest.raises(ConfigError, match='3 word vectors for 3 classes, 2 of them different'):
        model.set_classes(torch.rand(3, 6), [1, 1, 2])
    with pytest.raises(ConfigError, match='has no classes yet'):
        Projections()(**batch_of(), mode='loss')


@pytest.mark.parametrize('extra', [False, True])
def test_the_extra_pass_moves_statistics_and_no_weight(extra):
    model = model_of(extra_bn_pass=extra).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model.train_step(batch_of(), OptimWrapper(optimizer))
    assert model.nets['audio'].fc[1].num_batches_tracked == 1 + extra
    assert model.nets['word'].fc[1].num_batches_tracked == 1 + extra
    assert model._batch is None


def test_triplet_by_its_formula():
    anchor, near, far = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]])
    assert triplet(anchor, near, far).item() == pytest.approx(0.5, abs=1e-5)
    assert triplet(anchor, near, 2 * far).item() == 0
