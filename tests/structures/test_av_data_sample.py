"""Fields of a sample."""
from __future__ import annotations

import pickle

import numpy as np
import torch

from avmm.structures import AVDataSample


def test_truth_of_segments_has_one_type_whatever_comes_in():
    sample = AVDataSample().set_gt_segments([28, 3, 3]).set_gt_mask([0, 1, 1]).set_gt_label(np.int64(3))
    assert sample.gt_segments.dtype == np.int64 and sample.gt_segments.tolist() == [28, 3, 3]
    assert sample.gt_mask.dtype == np.bool_ and sample.gt_mask.tolist() == [False, True, True]
    again = pickle.loads(pickle.dumps(sample))
    assert again.gt_segments.tolist() == [28, 3, 3] and again.gt_label == 3


def test_predictions_of_segments_move_with_the_sample():
    labels, scores = torch.tensor([1, 2]), torch.rand(2, 4)
    sample = AVDataSample().set_pred_segments(labels, scores).set_unimodal_segments({'audio': labels})
    sample.set_attention({'spatial': torch.rand(2, 3, 3)})
    assert sample.pred_segments is labels and sample.pred_segment_scores is scores
    assert sample.unimodal_segments['audio'] is labels and sample.attention['spatial'].shape == (2, 3, 3)
    assert 'pred_segment_scores' not in AVDataSample().set_pred_segments(labels)


def test_scores_by_name():
    joint, alone = torch.rand(3), torch.rand(3)
    sample = AVDataSample().set_pred_score(joint)
    assert list(sample.scores_by_name) == ['joint'] and sample.scores_by_name['joint'] is joint
    assert sample.set_unimodal_scores({'audio': alone}).scores_by_name['audio'] is alone
