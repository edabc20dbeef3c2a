"""Adapter of ``uavm``: one transformer for audio and video, its baselines, its data, its training and its analyses."""
from __future__ import annotations

from typing import Any

import numpy as np
import uavm_analysis
import uavm_data
import uavm_model
import uavm_training
from harness import run_part

Arrays = dict[str, np.ndarray]
PARTS = {**uavm_analysis.PARTS, **uavm_data.PARTS, **uavm_model.PARTS, **uavm_training.PARTS}

# The models of the published size.
SLOW = ('eval_uavm_official', 'eval_ind_official', 'eval_full_official', 'convnext_audio_base', 'convnext_video_base',
        'loop_extractor_')


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``."""
    return run_part(PARTS, meta, inputs, state, dtype)
