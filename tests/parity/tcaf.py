"""Adapter of ``tcaf``: the audio-visual zero-shot benchmark, TCAF, AVCA and the methods they are compared with."""
from __future__ import annotations

from typing import Any

import tcaf_baselines
import tcaf_data
import tcaf_extractors
import tcaf_model
import tcaf_plain
import tcaf_training
import torch
from harness import run_part

PARTS = {**tcaf_baselines.PARTS, **tcaf_data.PARTS, **tcaf_extractors.PARTS, **tcaf_model.PARTS, **tcaf_training.PARTS}


# Their weights have tens of millions of numbers to draw.
SLOW = ('vggish_net', 'c3d_net', 'selavi_net')
# Gradients that are zero but for rounding, such as those of biases in front of a batch normalisation, become whole
# steps of Adam. Training does not see these biases; embeddings with running statistics, which lag behind, do. Now and
# then a weight has such a gradient too, and then the courses part: those of AVCA, whose learning rate is 14 times that
# of TCAF, after a step or two. A program of stock operations misses the bounds of the stored cases against the
# reference as widely as AVMM does, and against itself on another number of threads: emb_theta_o and emb_theta_w by a
# factor of 2 to 5 in up to 4 % of the values, emb_word by one of 5 to 9 in up to a fifth, emb_audio and emb_video by
# up to 108 in up to a half, V_proj_running_var by up to 8. In float64, AVMM gives what it gives, to 1e-9.
UNDECIDED = {
    'tcaf_train5_': ('emb_theta_o', 'emb_theta_w'),
    'avca_train5_': ('emb_audio', 'emb_video', 'emb_word', 'V_proj_running_var'),
}


def run(meta: dict[str, Any], inputs: dict[str, Any], state: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The outputs of a case; see ``harness``."""
    return run_part(PARTS, meta, inputs, tensors_of(state), getattr(torch, dtype))


def plain(meta: dict[str, Any], inputs: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """The outputs in ``UNDECIDED`` by a plain program in float64; see ``harness``."""
    return run_part(tcaf_plain.PARTS, meta, inputs, tensors_of(state), torch.float64)


def tensors_of(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of a case."""
    return {name: torch.as_tensor(value) for name, value in state.items()}
