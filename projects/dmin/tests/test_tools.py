"""Scripts and pictures of the project."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.dmin.tools import attention_matrices

TOOLS = Path(__file__).resolve().parents[1] / 'tools'
SCRIPTS = sorted(TOOLS.glob('*.sh'))


def test_there_is_a_script_to_train_and_one_to_test_each_recipe():
    assert len(SCRIPTS) == 8


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_script_prints_its_command(script):
    run = subprocess.run(['bash', str(script), '--dry-run', 'best.pth'], capture_output=True, text=True, check=True,
                         env=dict(PYTHON=sys.executable, PATH='/usr/bin:/bin'))
    program, tool, config, rest = run.stdout.split()
    assert (program, rest) == (sys.executable, 'best.pth')
    assert Path(tool).name == f'{script.stem.rsplit("_", 1)[1]}.py' and Path(tool).is_file()
    assert Path(config).is_file()
    usage = subprocess.run(['bash', str(script), '--help'], capture_output=True, text=True, check=True)
    assert script.name in usage.stdout


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
