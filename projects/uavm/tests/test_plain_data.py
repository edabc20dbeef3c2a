"""The plain reference of the data does what ours does, and so do the statistics."""
from __future__ import annotations

import random

import numpy as np
import torch

from benchmarks.uavm_data import PlainFeatures, plain_statistics
from projects.uavm.tests.uavm_files import write_features
from projects.uavm.uavm import UAVMFeatureDataset
from projects.uavm.uavm.evaluation import class_statistics


def test_clips_of_one_seed_are_the_same(tmp_path):
    write_features(tmp_path)
    options = dict(mixup=0.5, noise=True)
    plain = PlainFeatures(str(tmp_path), smooth=0.1, length=6, **options)
    ours = UAVMFeatureDataset('clips.json', 'labels.csv', data_root=str(tmp_path), seq_len=6, label_smooth=0.1,
                              randomness='global', **options)
    found = []
    for dataset in (plain, ours):
        len(dataset[0])
        random.seed(1)
        np.random.seed(2)
        found.append([dataset[i] for i in range(8)])
    for (audio, video, target), item in zip(*found, strict=True):
        torch.testing.assert_close(item['inputs'], dict(audio=audio, visual=video), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(item['data_samples'].gt_score, target, atol=1e-6, rtol=1e-5)


def test_statistics_are_the_same():
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 3)) < 0.3).astype(np.float32)
    scores = np.round(rng.normal(size=(200, 3)) + targets, 1)
    plain, ours = plain_statistics(scores, targets), class_statistics(scores, targets)
    np.testing.assert_allclose(ours.AP, [c['AP'] for c in plain])
    np.testing.assert_allclose(ours.AUC, [c['auc'] for c in plain])
    assert ours.acc == plain[0]['acc']
