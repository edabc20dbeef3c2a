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
# Gradients of biases in front of a batch normalisation are rounding noise, which Adam turns into whole steps. Training
# does not see them; embeddings with running statistics, which lag behind, do: a program of stock operations misses the
# bounds of the cases by as much. AVCA has a learning rate 14 times as high, and its steps drift apart for good.
WIDER = {
    'tcaf_train5_': dict(emb_theta_o=(2e-3, 2e-2), emb_theta_w=(2e-3, 2e-2)),
    'avca_train5_': dict(emb_audio=(1.0, 0.1), emb_video=(1.0, 0.1), emb_word=(2e-2, 2e-2),
                         V_proj_running_var=(0.15, 2e-2)),
}


def run(meta: dict[str, Any], inputs: dict[str, Any], state: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The outputs of a case; see ``harness``."""
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    return run_part(PARTS, meta, inputs, tensors, getattr(torch, dtype))
