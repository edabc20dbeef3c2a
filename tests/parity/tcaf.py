"""Adapter of ``tcaf``: the audio-visual zero-shot benchmark, TCAF, AVCA and the methods they are compared with."""
from __future__ import annotations

from typing import Any

import tcaf_baselines
import tcaf_data
import tcaf_extractors
import tcaf_model
import tcaf_training
import torch
from harness import run_part

PARTS = {**tcaf_baselines.PARTS, **tcaf_data.PARTS, **tcaf_extractors.PARTS, **tcaf_model.PARTS, **tcaf_training.PARTS}


# Their weights have tens of millions of numbers to draw.
SLOW = ('vggish_net', 'c3d_net', 'selavi_net')


def run(meta: dict[str, Any], inputs: dict[str, Any], state: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The outputs of a case; see ``harness``."""
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    return run_part(PARTS, meta, inputs, tensors, getattr(torch, dtype))
