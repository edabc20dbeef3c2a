"""Parity cases: their file format, and the seeded arrays that both sides of a comparison fill in alike.

A case is one ``.npz`` file. It holds what a reference implementation computed (``out.NAME``), inputs that are not
plain random numbers (``in.NAME``: labels, masks), and ``meta``, a JSON text with

========================  =========================================================================================
``project``, ``case``     names
``seed``                  seed of everything below
``what``                  one sentence
``state``                 ``{tensor name: [shape, dtype]}``, the state dict of the reference model
``inputs``                ``{name: [shape, kind]}``, the seeded inputs
``options``               options of the constructor and of the call
``atol``, ``rtol``        tolerances
========================  =========================================================================================

Weights are not stored: each tensor has a random stream of its own, named by the seed and the name of the tensor, from
NumPy's legacy generator, whose numbers never change. A few kilobytes so pin a model of any size.
"""
from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def stream(name: str, seed: int) -> np.random.RandomState:
    """The random stream of one name: seeded by a checksum of ``seed:name``, cut to 31 bits."""
    checksum = zlib.crc32(f'{seed}:{name}'.encode())
    return np.random.RandomState(checksum & (2 ** 31 - 1))


def array(name: str, shape: Sequence[int], seed: int, kind: str = 'normal') -> np.ndarray:
    """A float32 input: ``normal``, ``uniform`` in [0, 1), or ``relu``, the positive part of ``normal``."""
    rng = stream(name, seed)
    drawn = rng.random_sample(shape) if kind == 'uniform' else rng.standard_normal(shape)
    values = np.asarray(drawn).astype(np.float32)
    return values.clip(min=0) if kind == 'relu' else values


def tensor_value(name: str, shape: Sequence[int], dtype: str, seed: int) -> np.ndarray:
    """One tensor of a state dict, of a size with which a network neither dies nor explodes.

    Matrices and kernels are divided by the square root of their fan-in, vectors lie near 1, biases and running means
    near 0, running variances above 1; integers are 0.
    """
    shape = tuple(shape)
    if not dtype.startswith('float'):
        return np.zeros(shape, dtype)
    noise = stream(name, seed).standard_normal(shape)
    leaf = name.split('.')[-1]
    if leaf == 'running_var':
        value = 1 + 0.1 * np.abs(noise)
    elif leaf == 'running_mean' or 'bias' in leaf:
        value = 0.1 * noise
    elif len(shape) < 2:
        value = 1 + 0.1 * noise
    else:
        value = noise / np.sqrt(np.prod(shape[1:]))
    return np.asarray(value).astype(np.float32)


def state_dict(state: Mapping[str, tuple[Sequence[int], str]], seed: int) -> Arrays:
    """``{name: [shape, dtype]}`` filled in."""
    return {name: tensor_value(name, shape, dtype, seed) for name, (shape, dtype) in state.items()}


def read_meta(path: str | Path) -> dict[str, Any]:
    """The description of a case."""
    with np.load(path, allow_pickle=False) as file:
        return json.loads(str(file['meta']))


def load(path: str | Path) -> tuple[dict[str, Any], Arrays, Arrays]:
    """Description, inputs (seeded and stored) and outputs of a case."""
    meta = read_meta(path)
    with np.load(path, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files if name != 'meta'}
    inputs = {name: array(name, shape, meta['seed'], kind) for name, (shape, kind) in meta['inputs'].items()}
    inputs.update((name.removeprefix('in.'), value) for name, value in stored.items() if name.startswith('in.'))
    outputs = {name.removeprefix('out.'): value for name, value in stored.items() if name.startswith('out.')}
    return meta, inputs, outputs


def save(path: str | Path, meta: Mapping[str, Any], outputs: Mapping[str, Any],
         given: Mapping[str, Any] | None = None) -> None:
    """Write a case; what ``meta`` leaves out of seed, state, inputs, options and tolerances gets a default."""
    defaults = dict(seed=0, what='', state={}, inputs={}, options={}, atol=1e-5, rtol=1e-4)
    arrays = {f'in.{name}': np.asarray(value) for name, value in (given or {}).items()}
    arrays.update((f'out.{name}', np.asarray(value)) for name, value in outputs.items())
    np.savez_compressed(path, meta=np.array(json.dumps({**defaults, **meta})), **arrays)
