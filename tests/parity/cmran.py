"""Adapter of ``cmran``: CMRAN, the AVE baselines, and the AVE data and metrics that they share."""
from __future__ import annotations

from typing import Any

import cmran_avel
import cmran_data
import cmran_metrics
import cmran_model
import numpy as np
from harness import Unclaimed
from mmengine.registry import DefaultScope
from torch import Tensor

Arrays = dict[str, np.ndarray]
PARTS = {**cmran_model.PARTS, **cmran_avel.PARTS, **cmran_data.PARTS, **cmran_metrics.PARTS}


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``. The longest prefix that fits claims it."""
    fitting = [prefix for prefix in PARTS if meta['case'].startswith(prefix)]
    if not fitting:
        raise Unclaimed(f'no part of the adapter claims the case {meta["case"]!r}')
    # As in a config: default_scope = 'avmm'.
    with DefaultScope.overwrite_default_scope('avmm'):
        outputs = PARTS[max(fitting, key=len)](meta, inputs, state, dtype)
    return {name: np.asarray(value.detach() if isinstance(value, Tensor) else value)
            for name, value in outputs.items()}
