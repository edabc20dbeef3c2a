"""Adapter of ``dmin``: DIMN and DCMR, their parts, and the AVE data and metrics that they share with cmran."""
from __future__ import annotations

from typing import Any

import dmin_data
import dmin_model
import dmin_units
import numpy as np
from harness import Unclaimed
from mmengine.registry import DefaultScope
from torch import Tensor

Arrays = dict[str, np.ndarray]
PARTS = {**dmin_model.PARTS, **dmin_units.PARTS, **dmin_data.PARTS}
# The root of a sum that is almost zero multiplies the rounding of float32: the published program, run in it, misses
# the bounds here as well, in this output and in two more.
DOUBLE_ONLY = {'unit_agta': ('grad_video', )}


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
