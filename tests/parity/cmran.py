"""Adapter of ``cmran``: CMRAN, the AVE baselines, and the AVE data and metrics that they share."""
from __future__ import annotations

from typing import Any

import cmran_avel
import cmran_data
import cmran_metrics
import cmran_model
import numpy as np
from harness import run_part

Arrays = dict[str, np.ndarray]
PARTS = {**cmran_model.PARTS, **cmran_avel.PARTS, **cmran_data.PARTS, **cmran_metrics.PARTS}


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``."""
    return run_part(PARTS, meta, inputs, state, dtype)
