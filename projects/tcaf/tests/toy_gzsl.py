"""A zero-shot data set in memory, a model of two layers, and the config of a run of seconds."""
from __future__ import annotations

import os
import uuid

import numpy as np
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.data import Dataset

from avmm.registry import DATASETS, MODELS
from avmm.structures import AVDataSample
from projects.tcaf.tcaf.models import GZSLModel

#: Which classes a split has, seen and unseen.
SPLITS = dict(train=(range(0, 5), ()), val=(range(0, 5), range(5, 8)), train_val=(range(0, 8), ()),
              test=(range(0, 8), range(8, 11)))


@DATASETS.register_module()
class ToyGZSL(Dataset):
    """Averaged features that are linear in the word vectors of eleven classes, and noise."""

    def __init__(self, split: str = 'train', per_class: int = 6, noise: float = 0.3, negatives: bool = False):
        seen, unseen = SPLITS[split]
        ids = [*seen, *unseen]
        self.split, self.negatives = split, negatives
        self.labels = np.repeat(ids, per_class)
        rng = np.random.default_rng(0)
        words = rng.standard_normal((11, 300)).astype(np.float32)
        words /= np.linalg.norm(words, axis=1, keepdims=True)
        maps = {m: rng.standard_normal((300, d)).astype(np.float32) for m, d in (('audio', 10), ('visual', 12))}
        own = np.random.default_rng((1, list(SPLITS).index(split)))
        self.features = {m: np.maximum(words[self.labels] @ a + noise * own.standard_normal(
            (len(self.labels), a.shape[1])), 0).astype(np.float32) for m, a in maps.items()}
        self.words = torch.from_numpy(words)
        self.class_words = self.words[ids]
        self.metainfo = dict(classes=[f'class_{i}' for i in ids], class_ids=ids, seen_ids=list(seen),
                             unseen_ids=list(unseen))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        index = int(index)
        label = int(self.labels[index])
        sample = AVDataSample(metainfo=dict(sample_id=f'{self.split}_{index}', num_classes=11)).set_gt_label(label)
        inputs = {m: torch.from_numpy(x[index]) for m, x in self.features.items()}
        return dict(inputs=dict(inputs, word=self.words[label]), data_samples=sample)


@MODELS.register_module()
class ToyGZSLModel(GZSLModel):
    """A layer a modality, with dropout and batch normalisation; cross entropy and the distance to the own word."""

    def __init__(self, dropout: float = 0.2, **options):
        super().__init__(**options)

        def net(width: int) -> nn.Module:
            return nn.Sequential(nn.Linear(width, 8), nn.BatchNorm1d(8), nn.Dropout(dropout))
        self.nets = nn.ModuleDict(dict(audio=net(10), visual=net(12), word=net(300)))

    def branch(self, modality):
        return self.nets[modality]

    def extract_feat(self, inputs):
        return {m: self.nets[m](inputs[m]) for m in self.modalities}

    def embed_feats(self, feats):
        return dict(both=feats['audio'] + feats['visual'])

    def embed_classes(self, words):
        return dict(both=self.nets['word'](words))

    def unimodal_logits(self, feats):
        classes = self.nets['word'](self.words_of_classes)
        return {m: feats[m] @ classes.T for m in self.modalities}

    def loss(self, inputs, data_samples):
        feats, rows = self.extract_feat(inputs), self.class_rows(data_samples)
        joint = self.embed_feats(feats)['both']
        logits = joint @ self.nets['word'](self.words_of_classes).T
        losses = dict(loss_ce=nn.functional.cross_entropy(logits, rows),
                      loss_reg=nn.functional.mse_loss(joint, self.nets['word'](inputs['word'])))
        return self.finish_step(feats, logits, rows, losses, data_samples)


def toy_gzsl_config(work_dir: str | os.PathLike, **overrides) -> Config:
    """Two stages of up to four epochs of five iterations, and the test."""
    def loader(split: str, **options) -> dict:
        return dict(batch_size=8, num_workers=0, dataset=dict(type='ToyGZSL', split=split), **options)
    cfg = Config(dict(
        custom_imports=dict(imports=['projects.tcaf.tcaf', 'projects.tcaf.tests.toy_gzsl'],
                            allow_failed_imports=False),
        default_scope='avmm', runner_type='AVRunner', model=dict(type='ToyGZSLModel'),
        train_dataloader=loader('train', sampler=dict(type='GZSLSampler', num_batches=5, batch_size=8)),
        val_dataloader=loader('val', sampler=dict(type='DefaultSampler', shuffle=False)),
        val_evaluator=dict(type='GZSLMetric'), val_cfg=dict(type='ZeroShotValLoop'),
        test_dataloader=loader('test', sampler=dict(type='DefaultSampler', shuffle=False)),
        test_evaluator=dict(type='GZSLMetric'), test_cfg=dict(type='ZeroShotTestLoop'),
        train_cfg=dict(type='ZeroShotTrainLoop', max_epochs=4),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=3e-3)),
        param_scheduler=dict(type='ReduceOnPlateauLR', monitor='gzsl/hm', rule='greater', patience=0, factor=0.5),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2, log_metric_by_epoch=False),
                           zero_shot=dict(type='ZeroShotHook'),
                           checkpoint=dict(type='StageCheckpointHook', iter_interval=3)),
        custom_hooks=[], randomness=dict(seed=7), log_level='WARNING',
        experiment_name=f'toy_{uuid.uuid4().hex[:8]}', work_dir=str(work_dir)))
    cfg.merge_from_dict(overrides)
    return cfg
