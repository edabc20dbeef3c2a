"""The states of all random generators of a process, as plain data."""
from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dist import all_gather_object

__all__ = ['collect_rng_state', 'gather_rng_states', 'restore_rng_state']


def collect_rng_state() -> dict:
    """States of the generators of Python, NumPy, torch and every GPU: numbers, lists and tensors."""
    version, keys, gauss = random.getstate()
    name, words, position, has_gauss, cached = np.random.get_state()
    state = {
        'python': [version, list(keys), gauss],
        'numpy': [name, torch.from_numpy(words.astype(np.int64)), int(position), int(has_gauss), float(cached)],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state_all()
    return state


def restore_rng_state(state: dict) -> None:
    """Put the generators back into the ``state`` of :func:`collect_rng_state`.

    GPUs that were not there when it was collected keep theirs.
    """
    version, keys, gauss = state['python']
    random.setstate((version, tuple(keys), gauss))
    name, words, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, words.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'].cpu())
    for device, cuda_state in zip(range(torch.cuda.device_count()), state.get('cuda', ()), strict=False):
        torch.cuda.set_rng_state(cuda_state.cpu(), device)


def gather_rng_states() -> list[dict]:
    """The state of every rank, in the order of the ranks. Every rank must call it."""
    return all_gather_object(collect_rng_state())
