"""Finding the parity cases, running one through the adapter of its project, and comparing what comes out.

An adapter is the file ``tests/parity/<project>.py`` with

``run(meta, inputs, state, dtype)``
    The outputs of the case under the names of the reference, computed by AVMM in ``dtype`` (``'float32'`` or
    ``'float64'``). ``state`` holds the official tensors. It raises :class:`Unclaimed` for a case it does not know.
``SLOW``
    Prefixes of the names of cases that take more than five seconds; may be left out.
``DOUBLE_ONLY``
    ``{prefix: outputs}`` that are compared in float64 alone, as the bounds of float32 are out of reach for the program
    of the reference too; may be left out.
``UNDECIDED``
    ``{prefix: outputs}`` that rounding decides: a program of stock operations misses their bounds against itself if it
    runs on another number of threads. They are compared at their own bounds like all others, but a miss does not fail
    the case: it is listed at the end of the run. May be left out.
``plain(meta, inputs, state)``
    The same outputs by a plain program in float64, where rounding decides nothing: there, ``run`` has to agree with it
    to :data:`EXACT`. Needed where there is ``UNDECIDED``; empty for options that the program does not have.
"""
from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import golden
import numpy as np
from mmengine.registry import DefaultScope
from torch import Tensor

HERE = Path(__file__).resolve().parent
STORED = HERE.parent / 'data' / 'parity'


class Unclaimed(LookupError):
    """No part of an adapter knows the case."""


@dataclass(frozen=True)
class Case:
    """A case file and its name ``<project>/<case>``."""
    name: str
    path: Path

    @property
    def project(self) -> str:
        return self.name.split('/')[0]


@dataclass(frozen=True)
class Bounds:
    """Two numbers agree if ``|ours - reference| <= atol + rtol * |reference|``."""
    atol: float
    rtol: float


#: How well two programs in float64 agree after some steps of training.
EXACT = Bounds(1e-7, 1e-7)


def case_folders() -> list[Path]:
    """Folders with one sub-folder a project: those that the environment names, then the stored one."""
    named = [os.environ.get('AVMM_PARITY_DIR'), os.environ.get('AVMM_REAL_DATA')]
    outside = [Path(named[0])] if named[0] else []
    outside += [Path(named[1]) / 'golden_real'] if named[1] else []
    return [*outside, STORED]


def is_built(project: str) -> bool:
    """Whether the project has an adapter."""
    return (HERE / f'{project}.py').is_file()


def find_cases(folders: list[Path] | None = None) -> list[Case]:
    """All cases, each content once. Of two cases with one name, the later one is told apart by its folder.

    The folder of real data serves projects that are yet to come: there, only those with an adapter count. A case that
    ``AVMM_PARITY_DIR`` holds, or the stored folder, is always run, and fails if nothing claims it.
    """
    cases: dict[str, Case] = {}
    seen = set()
    for folder in case_folders() if folders is None else folders:
        for path in sorted(folder.glob('*/*.npz')):
            if folder.name == 'golden_real' and not is_built(path.parent.name):
                continue
            content = hashlib.sha256(path.read_bytes()).digest()
            name = f'{path.parent.name}/{path.stem}'
            if (name, content) in seen:
                continue
            seen.add((name, content))
            while name in cases:
                name += f'@{folder.name}'
            cases[name] = Case(name, path)
    return list(cases.values())


@cache
def adapter_of(project: str) -> ModuleType:
    """The adapter of a project.

    Raises:
        Unclaimed: If the project has none.
    """
    path = HERE / f'{project}.py'
    if not is_built(project):
        raise Unclaimed(f'the project {project!r} has no adapter: {path} does not exist')
    spec = importlib.util.spec_from_file_location(f'parity_adapter_{project}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_part(parts: dict[str, Any], meta: dict[str, Any], *arguments: Any) -> dict[str, np.ndarray]:
    """The outputs of a case by the part of an adapter whose prefix fits its name, the longest if several do.

    Args:
        parts: ``{prefix of the case: function(meta, *arguments) -> outputs}``.
        meta: Description of the case.
        *arguments: Further arguments of the function.

    Raises:
        Unclaimed: If none fits.
    """
    fitting = [prefix for prefix in parts if meta['case'].startswith(prefix)]
    if not fitting:
        raise Unclaimed(f'no part of the adapter claims the case {meta["case"]!r}')
    # As in a config: default_scope = 'avmm'.
    with DefaultScope.overwrite_default_scope('avmm'):
        outputs = parts[max(fitting, key=len)](meta, *arguments)
    return {name: np.asarray(value.detach() if isinstance(value, Tensor) else value)
            for name, value in outputs.items()}


def is_slow(case: Case) -> bool:
    """Whether the adapter says that the case takes more than five seconds."""
    try:
        prefixes = getattr(adapter_of(case.project), 'SLOW', ())
    except Unclaimed:
        return False
    return case.path.stem.startswith(tuple(prefixes))


def has_undecided(case: Case) -> bool:
    """Whether the adapter names outputs of the case that rounding decides."""
    return is_built(case.project) and bool(listed('UNDECIDED', case.path.stem, adapter_of(case.project)))


def not_comparable(options: dict[str, Any]) -> dict[str, str]:
    """``{output: reason}`` for the outputs whose package or real files are absent here."""
    absent = {}
    for output, package in options.get('needs_package', {}).items():
        if importlib.util.find_spec(package) is None:
            absent[output] = f'the package {package} is not installed'
    if not Path(os.environ.get('AVMM_REAL_DATA') or '-').is_dir():
        absent.update(dict.fromkeys(options.get('needs_real_data', ()), 'AVMM_REAL_DATA names no folder'))
    return absent


def check_case(path: Path, adapter: ModuleType) -> dict[str, str]:
    """Run a case and compare every output.

    Returns:
        ``{output: reason}`` for the outputs that could not be compared here, or miss bounds that rounding decides.

    Raises:
        AssertionError: If an output is missing or differs; all of them are named.
        Unclaimed: If the adapter does not know the case.
    """
    meta, inputs, expected = golden.load(path)
    options = meta['options']
    absent = not_comparable(options)
    expected = {name: value for name, value in expected.items() if name not in absent}
    tight = options.get('tight') or double_precision(options)

    def faults(dtype: str, bounds: dict[str, Bounds]) -> dict[str, str]:
        got = outputs_of(adapter, meta, inputs, dtype)
        found = {n: differences(n, got.get(n), expected[n], bound, tight) for n, bound in bounds.items()}
        return {name: f'{dtype}: {fault}' for name, fault in found.items() if fault}

    exempt = listed('DOUBLE_ONLY', path.stem, adapter) if 'dtype' in tight else set()
    by_name = faults('float32', {name: output_bounds(name, meta) for name in expected if name not in exempt})
    notes = {name: f'rounding decides; {by_name.pop(name)}' for name in sorted(listed('UNDECIDED', path.stem, adapter))
             if name in by_name}
    found = list(by_name.values())
    if 'dtype' in tight:
        found += faults(tight['dtype'], dict.fromkeys(expected, Bounds(tight['atol'], tight['rtol']))).values()
    assert not found, f'{meta["project"]}/{meta["case"]} ({meta["what"]})\n' + '\n'.join(found)
    return {**absent, **notes}


def check_undecided(path: Path, adapter: ModuleType) -> dict[str, str]:
    """Compare the outputs of a case that rounding decides, in float64, with the plain program of the adapter.

    Returns:
        ``{output: reason}`` for the outputs that the plain program does not give.

    Raises:
        AssertionError: If an output is missing or differs; all of them are named.
    """
    meta, inputs, _ = golden.load(path)
    names = sorted(listed('UNDECIDED', path.stem, adapter))
    expected = adapter.plain(meta, inputs, golden.state_dict(meta['state'], meta['seed']))
    got = outputs_of(adapter, meta, inputs, 'float64')
    found = [differences(name, got.get(name), expected[name], EXACT, {}) for name in names if name in expected]
    found = [f'float64, plain program: {fault}' for fault in found if fault]
    assert not found, f'{meta["project"]}/{meta["case"]} ({meta["what"]})\n' + '\n'.join(found)
    return {name: 'the plain program does not have the options' for name in names if name not in expected}


def outputs_of(adapter: ModuleType, meta: dict[str, Any], inputs: dict[str, Any], dtype: str) -> dict[str, Any]:
    """What the adapter makes of copies of the inputs."""
    state = golden.state_dict(meta['state'], meta['seed'])
    return adapter.run(meta, {name: value.copy() for name, value in inputs.items()}, state, dtype)


def listed(kind: str, case: str, adapter: ModuleType) -> set[str]:
    """Outputs of a case that the adapter names in ``DOUBLE_ONLY`` or ``UNDECIDED``."""
    given = getattr(adapter, kind, {})
    return {output for prefix, outputs in given.items() if case.startswith(prefix) for output in outputs}


def double_precision(options: dict[str, Any]) -> dict[str, Any]:
    """The bounds of a further run in float64, for cases that were computed in it and name no ``tight`` bounds."""
    return dict(dtype='float64', atol=1e-9, rtol=1e-9) if 'float64' in options.get('precision', '') else {}


def output_bounds(name: str, meta: dict[str, Any]) -> Bounds:
    """Tolerances of an output: its own, else the tight ones if it has to agree as a whole, else those of the case."""
    tolerances, tight = meta['options'].get('tolerances', {}), meta['options'].get('tight', {})
    if name in tolerances:
        return Bounds(*tolerances[name])
    if name in tight.get('whole', ()):
        return Bounds(tight['atol'], tight['rtol'])
    return Bounds(meta['atol'], meta['rtol'])


def differences(name: str, got: Any, expected: np.ndarray, bounds: Bounds, tight: dict[str, Any]) -> str:
    """What is wrong with an output, in one line; empty if nothing is."""
    if got is None:
        return f'{name} is missing'
    got = np.asarray(got)
    if got.shape != expected.shape:
        return f'{name} has shape {got.shape}, the reference {expected.shape}'
    if expected.dtype.kind not in 'fc':
        return '' if np.array_equal(got, expected) else f'{name} is {_brief(got)}, the reference {_brief(expected)}'
    fault = _too_far(name, got, expected, bounds)
    if not fault and name in tight.get('first_rows_of', ()):
        fault = _too_far(f'first row of {name}', got[:1], expected[:1], Bounds(tight['atol'], tight['rtol']))
    return fault


def _too_far(name: str, got: np.ndarray, expected: np.ndarray, bounds: Bounds) -> str:
    if np.allclose(got, expected, atol=bounds.atol, rtol=bounds.rtol, equal_nan=True):
        return ''
    gap = np.abs(got - expected)
    excess = np.nan_to_num(gap / (bounds.atol + bounds.rtol * np.abs(expected)), nan=np.inf)
    worst = np.unravel_index(excess.argmax(), excess.shape)
    where = f'[{", ".join(map(str, worst))}]' if worst else ''
    return (f'{name}{where} is {got[worst]:.7g}, the reference {expected[worst]:.7g}; '
            f'atol {bounds.atol:g}, rtol {bounds.rtol:g}, {(excess > 1).sum()} of {excess.size} values are off')


def _brief(values: np.ndarray) -> str:
    return np.array2string(values, threshold=6).replace('\n', '')
