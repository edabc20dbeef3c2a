"""Adapter of ``dmin``: DIMN and DCMR, their parts, and the AVE data and metrics that they share with cmran."""
from __future__ import annotations

from typing import Any

import dmin_data
import dmin_model
import dmin_units
import numpy as np
from harness import run_part

Arrays = dict[str, np.ndarray]
PARTS = {**dmin_model.PARTS, **dmin_units.PARTS, **dmin_data.PARTS}
# The root of a sum that is almost zero multiplies the rounding of float32: the published program, run in it, misses
# the bounds here as well, in this output and in two more.
DOUBLE_ONLY = {'unit_agta': ('grad_video', )}


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``."""
    return run_part(PARTS, meta, inputs, state, dtype)
