"""Adapter of ``inverse_balance``: inverse-effectiveness fusion, and the code of OGM-GE and LFM that it builds on."""
from __future__ import annotations

from typing import Any

import inverse_balance_data
import inverse_balance_functions
import inverse_balance_model
import inverse_balance_ogmge
import inverse_balance_steps
import numpy as np
import torch
from harness import Unclaimed
from inverse_balance_common import Arrays
from mmengine.registry import DefaultScope
from torch import Tensor

PARTS = {**inverse_balance_data.PARTS, **inverse_balance_functions.PARTS, **inverse_balance_model.PARTS,
         **inverse_balance_ogmge.PARTS, **inverse_balance_steps.PARTS}

# Every part of the steps also has a case that is quick enough: traj_noise_, traj_T4_.
SLOW = ('traj_normal', 'traj_ogm', 'traj_mslr', 'traj_lfm', 'traj_aba_', 'traj_cremad_', 'traj_us8k_', 'traj_avattn_',
        'traj_unimodal_', 'ogmge_traj_', 'model_concat_full')


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``. The longest prefix that fits claims it."""
    fitting = [prefix for prefix in PARTS if meta['case'].startswith(prefix)]
    if not fitting:
        raise Unclaimed(f'no part of the adapter claims the case {meta["case"]!r}')
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    # As in a config: default_scope = 'avmm'.
    with DefaultScope.overwrite_default_scope('avmm'):
        outputs = PARTS[max(fitting, key=len)](meta, inputs, tensors, getattr(torch, dtype))
    return {name: np.asarray(value.detach() if isinstance(value, Tensor) else value)
            for name, value in outputs.items()}
