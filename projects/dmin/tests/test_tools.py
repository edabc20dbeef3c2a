"""Scripts and pictures of the project."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.dmin.tools import attention_matrices


def sample(**fields) -> AVDataSample:
    made = AVDataSample(metainfo=dict(sample_id='clip'))
    made.set_gt_mask(np.array([False, True, True, False]))
    made.set_attention({f'{m}_decoder': torch.rand(4, 8).softmax(-1) for m in ('audio', 'visual')})
    for name, value in fields.items():
        made.set_field(value, name, field_type='data')
    return made


def test_picture_of_attention_and_window():
    assert len(attention_matrices.picture(sample()).axes) == 2
    figure = attention_matrices.picture(sample(pred_event_logits=torch.tensor([3., 2., 0., 0.])))
    assert len(figure.axes) == 3
    event, found = figure.axes[2].patches[-2:]
    assert (event.get_x(), found.get_x()) == (0.5, -0.5)


def test_model_without_attention_between_modalities_is_refused():
    with pytest.raises(ConfigError, match='no attention between the modalities'):
        attention_matrices.picture(AVDataSample())
