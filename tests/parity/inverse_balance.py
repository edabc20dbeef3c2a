"""Adapter of ``inverse_balance``: inverse-effectiveness fusion, and the code of OGM-GE and LFM that it builds on."""
from __future__ import annotations

from typing import Any

import inverse_balance_data
import inverse_balance_functions
import inverse_balance_model
import inverse_balance_ogmge
import inverse_balance_steps
import torch
from harness import run_part
from inverse_balance_common import Arrays

PARTS = {**inverse_balance_data.PARTS, **inverse_balance_functions.PARTS, **inverse_balance_model.PARTS,
         **inverse_balance_ogmge.PARTS, **inverse_balance_steps.PARTS}

# Every part of the steps also has a case that is quick enough: traj_noise_, traj_T4_.
SLOW = ('traj_normal', 'traj_ogm', 'traj_mslr', 'traj_lfm', 'traj_aba_', 'traj_cremad_', 'traj_us8k_', 'traj_avattn_',
        'traj_unimodal_', 'ogmge_traj_', 'model_concat_full')


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``."""
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    return run_part(PARTS, meta, inputs, tensors, getattr(torch, dtype))
